"""How long an operation may take, and what its undo had to leave behind."""

from cks.db.migrations.steps import run, run_file

revision = "0008"
down_revision = "0007"

GRANTS = """
GRANT SELECT (deadline_at, completed_at) ON operations TO cks_dispatch;
GRANT SELECT (tenant_id, operation_id, orphaned_at, undone_at) ON operation_steps TO cks_dispatch;
CREATE POLICY dispatch_finds ON operation_steps FOR SELECT TO cks_dispatch USING (true);
"""

DOWN = """
DROP TRIGGER deadline_stays ON operations;
DROP FUNCTION deadline_stays;
REVOKE SELECT (completed_at) ON operations FROM cks_dispatch;
DROP INDEX operations_settled;
CREATE INDEX operations_settled ON operations (updated_at)
  WHERE status IN ('completed', 'failed', 'cancelled') AND dispatched_at IS NOT NULL;
DROP POLICY dispatch_finds ON operation_steps;
REVOKE SELECT (tenant_id, operation_id, orphaned_at, undone_at) ON operation_steps
  FROM cks_dispatch;
ALTER TABLE operation_steps
  DROP COLUMN fence, DROP COLUMN undone_at, DROP COLUMN orphaned_at;
ALTER TABLE operations DROP COLUMN forward_until, DROP COLUMN deadline_at;
"""


def upgrade() -> None:
    run_file("0008_deadlines.sql")
    run(GRANTS)


def downgrade() -> None:
    run(DOWN)
