"""Reads an operation with its steps under its lock, in one trip."""

from cks.db.migrations.steps import run, run_file

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_file("0012_held_operations.sql")
    run("REVOKE EXECUTE ON FUNCTION hold_operation FROM PUBLIC")
    run("GRANT EXECUTE ON FUNCTION hold_operation TO cks_app")


def downgrade() -> None:
    run("DROP FUNCTION hold_operation")
