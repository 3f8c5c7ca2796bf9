#!/bin/sh
# Run once, by PostgreSQL's image, when the data folder is made: Temporal's own login.
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$TEMPORAL_DB_PASSWORD" --username=postgres <<'SQL'
CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'password';
SQL
