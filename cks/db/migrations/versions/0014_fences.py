"""Fences that outrank all earlier ones, also in a database that was set back."""

from cks.db.migrations.steps import run, run_file

revision = "0014"
down_revision = "0013"

GRANTS = """
REVOKE EXECUTE ON FUNCTION draw_fence FROM PUBLIC;
GRANT EXECUTE ON FUNCTION draw_fence TO cks_app;
GRANT UPDATE ON SEQUENCE fences TO cks_app;
"""

DOWN = """
REVOKE UPDATE ON SEQUENCE fences FROM cks_app;
DROP FUNCTION draw_fence;
"""


def upgrade() -> None:
    run_file("0014_fences.sql")
    run(GRANTS)


def downgrade() -> None:
    run(DOWN)
