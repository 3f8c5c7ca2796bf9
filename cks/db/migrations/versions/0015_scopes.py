"""Rights at three scopes, roles of the tenant's own, and the last admin kept on every path."""

from cks.db.migrations.steps import cut, forbid, give, lower, permit, run, run_file

revision = "0015"
down_revision = "0014"

CLUSTER = ("clusters.delete", "clusters.read", "node_pools.read")
NAMESPACE = ("catalogue.read", "operations.cancel", "operations.read")

ADDED = {
    "namespaces.create": ("Create namespaces", "cluster", "admin developer"),
    "namespaces.delete": ("Delete namespaces", "namespace", "admin developer namespace_admin"),
    "namespaces.read": (
        "See namespaces",
        "namespace",
        "admin developer viewer namespace_admin security_admin",
    ),
    "namespaces.update": ("Change namespaces", "namespace", "admin developer namespace_admin"),
    "rbac.read": (
        "See roles, grants, and who may do what",
        "tenant",
        "admin developer viewer security_admin",
    ),
    "rbac.roles.bind": (
        "Give roles to users, and take them away",
        "namespace",
        "admin security_admin",
    ),
    "rbac.roles.create": ("Create roles", "tenant", "admin security_admin"),
    "rbac.roles.delete": ("Delete roles", "tenant", "admin security_admin"),
    "rbac.roles.update": ("Change roles", "tenant", "admin security_admin"),
    "users.read": ("See users", "tenant", "admin developer viewer security_admin"),
}
"""Name → what it allows, its lowest scope, and the built-in roles that hold it."""

ROLES = """
UPDATE rbac_roles SET unprivileged = true WHERE builtin AND name IN ('developer', 'viewer');
INSERT INTO rbac_roles (tenant_id, name, description, builtin, unprivileged, tenant_wide)
SELECT t.id, r.name, r.said, true, r.unprivileged, r.tenant_wide
  FROM tenants t, (VALUES
    ('namespace_admin', 'Runs a namespace', true, false),
    ('security_admin', 'Rules over rights', false, true)
  ) AS r (name, said, unprivileged, tenant_wide)
 WHERE t.id <> '00000000-0000-0000-0000-000000000000';
"""

FUNCTIONS = (
    "allowing, can, reach, seen_clusters, seen_operations, nearest_miss, missing_to_bind,"
    " is_admin, decide, admit, show_operation"
)

# The guard reads no more than before: what it counts in is the same four tables.
RIGHTS = f"""
GRANT SELECT ON bindings, permitted, effective_permissions TO cks_app;
REVOKE EXECUTE ON FUNCTION {FUNCTIONS} FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {FUNCTIONS} TO cks_app;
"""  # noqa: S608  (our own names)

# What the tokens were narrowed to, and what gave nothing in all of the tenant, the version before
# does not know: nobody shall gain by going back.
DOWN = f"""
DROP TRIGGER keep_an_admin ON rbac_roles;
DROP FUNCTION {FUNCTIONS};
DROP VIEW living_tokens, effective_permissions, permitted, bindings;
DROP INDEX rbac_user_roles_tenant_id_user_id_cluster_id_namespace_id_idx;
DROP INDEX rbac_roles_name_any_case;
DROP INDEX operations_tenant_id_actor_id_idx;
UPDATE user_tokens SET revoked_at = now() WHERE scopes IS NOT NULL AND revoked_at IS NULL;
INSERT INTO rbac_roles (tenant_id, name, description)
SELECT DISTINCT tenant_id, 'without_rights', 'Had a role that this version does not have'
  FROM users WHERE role IN ('namespace_admin', 'security_admin') ON CONFLICT DO NOTHING;
ALTER TABLE rbac_roles DROP COLUMN unprivileged, DROP COLUMN generation;
ALTER TABLE rbac_permissions DROP COLUMN lowest_scope;
DELETE FROM rbac_user_roles g USING rbac_roles r
 WHERE r.id = g.role_id AND r.builtin AND r.name IN ('namespace_admin', 'security_admin');
UPDATE users SET role = 'without_rights' WHERE role IN ('namespace_admin', 'security_admin');
DELETE FROM rbac_roles WHERE builtin AND name IN ('namespace_admin', 'security_admin');
"""  # noqa: S608  (our own names)

AS_BEFORE = """
GRANT SELECT ON effective_bindings, effective_permissions, living_tokens TO cks_app;
"""


def upgrade() -> None:
    run_file("0015_scopes.sql")
    run(ROLES)
    give("catalogue.read", "namespace_admin")
    give("operations.cancel", "namespace_admin")
    give("operations.read", "namespace_admin")
    give("clusters.read", "security_admin")
    lower("cluster", *CLUSTER)
    lower("namespace", *NAMESPACE)
    for name, (said, scope, roles) in ADDED.items():
        permit(name, said, *roles.split(), scope=scope)
    run(RIGHTS)


def downgrade() -> None:
    run(DOWN)
    forbid(*ADDED)
    run(cut("0003_access.sql", "CREATE VIEW effective_bindings"))
    run(cut("0003_access.sql", "CREATE FUNCTION keep_an_admin", "CREATE CONSTRAINT TRIGGER"))
    run(cut("0011_fewer_trips.sql", "CREATE VIEW living_tokens", "-- One operation as"))
    run(AS_BEFORE)
