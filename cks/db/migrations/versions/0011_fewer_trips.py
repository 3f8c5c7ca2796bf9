"""What every request asks, in one trip to the server each."""

from cks.db.migrations.steps import run, run_file

revision = "0011"
down_revision = "0010"

FUNCTIONS = "enter, read_operation, lock_quotas"


def upgrade() -> None:
    run_file("0011_fewer_trips.sql")
    run("GRANT SELECT ON living_tokens TO cks_app")
    run(f"REVOKE EXECUTE ON FUNCTION {FUNCTIONS} FROM PUBLIC")
    run(f"GRANT EXECUTE ON FUNCTION {FUNCTIONS} TO cks_app")


def downgrade() -> None:
    run(f"DROP FUNCTION {FUNCTIONS}")
    run("DROP VIEW living_tokens")
