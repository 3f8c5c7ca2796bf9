"""What finds the records that have been kept for long enough."""

from cks.db.migrations.steps import run, run_file

revision = "0013"
down_revision = "0012"

DOWN = """
DROP INDEX operation_events_on_the_way;
DROP INDEX idempotency_keys_by_age;
CREATE INDEX ON idempotency_keys (created_at);
"""


def upgrade() -> None:
    run_file("0013_retention.sql")


def downgrade() -> None:
    run(DOWN)
