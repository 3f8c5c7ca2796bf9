"""Permissions, grants, and what follows from them; the last admin stays."""

from alembic import op

from cks.db.migrations.steps import isolate, run, run_file, share

revision = "0003"
down_revision = "0002"

# As the rules listed them when this was written: a migration does not change afterwards.
PERMISSIONS = {
    "catalogue.read": "See the versions and instance types on offer",
    "clusters.create": "Create clusters",
    "clusters.delete": "Delete clusters",
    "clusters.read": "See clusters",
    "node_pools.read": "See node pools",
    "operations.cancel": "Cancel operations",
    "operations.read": "See operations and their events",
}

# The guard sees all rows of the tables that it counts in, and belongs to a role that nobody
# can log in as.  Nobody else may hang a definer's function on a table of their own.
GRANTS = """
REVOKE INSERT, UPDATE, DELETE ON rbac_permissions FROM cks_app;
GRANT SELECT ON effective_bindings, effective_permissions TO cks_app;
GRANT SELECT ON tenants, users, rbac_roles, rbac_user_roles TO cks_guard;
CREATE POLICY guard_counts ON tenants FOR SELECT TO cks_guard USING (true);
CREATE POLICY guard_counts ON users FOR SELECT TO cks_guard USING (true);
CREATE POLICY guard_counts ON rbac_roles FOR SELECT TO cks_guard USING (true);
CREATE POLICY guard_counts ON rbac_user_roles FOR SELECT TO cks_guard USING (true);
REVOKE EXECUTE ON FUNCTION keep_an_admin FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO cks_guard;
ALTER FUNCTION keep_an_admin OWNER TO cks_guard;
REVOKE CREATE ON SCHEMA public FROM cks_guard;
"""

DOWN = """
DROP FUNCTION can;
DROP VIEW effective_permissions, effective_bindings;
DROP TRIGGER builtin_stays ON rbac_roles;
DROP TRIGGER keep_an_admin ON users;
DROP TABLE rbac_user_roles, rbac_role_permissions, rbac_permissions;
DROP FUNCTION builtin_stays, keep_an_admin;
DROP POLICY guard_counts ON tenants;
DROP POLICY guard_counts ON users;
DROP POLICY guard_counts ON rbac_roles;
REVOKE SELECT ON tenants, users, rbac_roles FROM cks_guard;
"""

ADD = "INSERT INTO rbac_permissions (tenant_id, name, description) VALUES "


def upgrade() -> None:
    run_file("0003_access.sql")
    share("rbac_permissions")
    isolate("rbac_role_permissions", "rbac_user_roles")
    run(GRANTS)
    platform = "00000000-0000-0000-0000-000000000000"
    rows = [f"('{platform}', '{name}', '{text}')" for name, text in PERMISSIONS.items()]
    op.execute(ADD + ", ".join(rows))


def downgrade() -> None:
    run(DOWN)
