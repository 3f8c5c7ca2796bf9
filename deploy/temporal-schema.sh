#!/bin/sh
# Temporal's two databases and their schemas, new or brought up to this version's.
set -eu
schemas=/etc/temporal/schema/postgresql/v12
tool() {
  temporal-sql-tool --plugin postgres12 --ep postgres -p 5432 -u temporal --db "$@"
}
for database in temporal temporal_visibility; do
  tool "$database" create
  tool "$database" setup-schema -v 0.0
done
tool temporal update-schema -d "$schemas/temporal/versioned"
tool temporal_visibility update-schema -d "$schemas/visibility/versioned"
