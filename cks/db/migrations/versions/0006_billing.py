"""Billing periods and their lines; what is closed stays."""

from cks.db.migrations.steps import isolate, run, run_file

revision = "0006"
down_revision = "0005"

GRANTS = """
REVOKE UPDATE, DELETE ON billing_usage FROM cks_app;
REVOKE DELETE ON billing_periods FROM cks_app;
"""


def upgrade() -> None:
    run_file("0006_billing.sql")
    isolate("billing_periods", "billing_usage")
    run(GRANTS)


def downgrade() -> None:
    run("DROP TABLE billing_usage, billing_periods")
    run("DROP FUNCTION close_balances, closed_period_guard")
