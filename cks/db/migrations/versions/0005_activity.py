"""The activity log, append-only and chained, and the people beside it."""

from cks.db.migrations.steps import isolate, run, run_file

revision = "0005"
down_revision = "0004"

# The chain's trigger alone moves the heads, as a role that nobody can log in as.  Nobody else
# may hang its function on a table of their own, which would move any tenant's head.
GRANTS = """
REVOKE UPDATE, DELETE ON activity_logs, log_people FROM cks_app;
REVOKE INSERT, UPDATE, DELETE ON audit_heads FROM cks_app;
GRANT SELECT, INSERT, UPDATE ON audit_heads TO cks_audit;
CREATE POLICY chain ON audit_heads TO cks_audit USING (true) WITH CHECK (true);
REVOKE EXECUTE ON FUNCTION audit_chain FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO cks_audit;
ALTER FUNCTION audit_chain OWNER TO cks_audit;
REVOKE CREATE ON SCHEMA public FROM cks_audit;
"""

DOWN = """
DROP FUNCTION audit_payload CASCADE;
DROP TABLE activity_logs, log_people;
DROP FUNCTION audit_chain;
DROP TABLE audit_heads;
"""


def upgrade() -> None:
    run_file("0005_activity.sql")
    isolate("activity_logs", "log_people", "audit_heads")
    run(GRANTS)


def downgrade() -> None:
    run(DOWN)
