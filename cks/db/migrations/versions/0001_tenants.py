"""Tenants and their quotas, roles, users, and the users' tokens and sessions."""

from cks.db.migrations.steps import isolate, run, run_file

revision = "0001"
down_revision = None

# A row's lock needs a right to update some column; the limits themselves stay the owner's.
GRANTS = """
INSERT INTO tenants (id, name) VALUES ('00000000-0000-0000-0000-000000000000', 'platform');
GRANT SELECT ON alembic_version TO cks_app;
REVOKE INSERT, UPDATE, DELETE ON tenants, quotas FROM cks_app;
GRANT UPDATE (name, timezone, billing_cycle, updated_at) ON tenants TO cks_app;
GRANT UPDATE (unit) ON quotas TO cks_app;
GRANT SELECT (id, name, status, timezone) ON tenants TO cks_dispatch;
CREATE POLICY dispatch_finds ON tenants FOR SELECT TO cks_dispatch USING (true);
"""

DOWN = """
DROP TABLE user_sessions, user_tokens, user_preferences, users, rbac_roles, quotas, tenants;
DROP FUNCTION refuse, tz_ok;
DROP TYPE textrange, uuidrange;
REVOKE SELECT ON alembic_version FROM cks_app;
"""


def upgrade() -> None:
    run_file("0001_tenants.sql")
    isolate("tenants", column="id")
    isolate("quotas", "rbac_roles", "users", "user_preferences", "user_tokens", "user_sessions")
    run(GRANTS)


def downgrade() -> None:
    run(DOWN)
