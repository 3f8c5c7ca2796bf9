"""What every migration does to its tables: run a script, and isolate the tenants.

A revision's SQL stands beside it in a file of its name.  Each table gets forced row security
and is granted to ``cks_app``; what the app may not do with a table is revoked by the revision.

The setting is read without a default and without a sub-select.  A sub-select is evaluated per
row found, so that a table without rows would answer a forgotten tenant with an empty list
instead of an error.
"""

from pathlib import Path
from typing import cast

import sqlalchemy as sa
from alembic import op
from sqlalchemy.connectors.asyncio import AsyncAdapt_dbapi_connection

VERSIONS = Path(__file__).parent / "versions"
CURRENT = "current_setting('app.tenant_id')::uuid"
PLATFORM = "'00000000-0000-0000-0000-000000000000'"

PROTECT = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_maintains ON {table} TO cks_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO cks_app;
"""

OWN = """
CREATE POLICY tenant_isolation ON {table} TO cks_app
  USING ({column} = {current}) WITH CHECK ({column} = {current});
"""

# One policy per command, so that no two permissive ones meet on SELECT.
OWN_OR_SHARED = """
CREATE POLICY tenant_or_shared_read ON {table} FOR SELECT TO cks_app
  USING (tenant_id IN ({current}, {platform}));
CREATE POLICY tenant_insert ON {table} FOR INSERT TO cks_app WITH CHECK (tenant_id = {current});
CREATE POLICY tenant_update ON {table} FOR UPDATE TO cks_app
  USING (tenant_id = {current}) WITH CHECK (tenant_id = {current});
CREATE POLICY tenant_delete ON {table} FOR DELETE TO cks_app USING (tenant_id = {current});
"""


ADD_PERMISSION = sa.text("""
INSERT INTO rbac_permissions (tenant_id, name, description)
SELECT id, :name, :said FROM tenants WHERE id = '00000000-0000-0000-0000-000000000000'
""")
LET_ROLES = sa.text("""
INSERT INTO rbac_role_permissions (tenant_id, role_id, permission_id)
SELECT r.tenant_id, r.id, p.id FROM rbac_roles r, rbac_permissions p
 WHERE r.builtin AND r.name = ANY (:roles) AND p.name = :name
""")
LOWER = sa.text("UPDATE rbac_permissions SET lowest_scope = :scope WHERE name = ANY (:names)")
BAR_ROLES = sa.text("""
DELETE FROM rbac_role_permissions WHERE permission_id IN (
  SELECT id FROM rbac_permissions WHERE name = ANY (:names))
""")
DROP_PERMISSIONS = sa.text("DELETE FROM rbac_permissions WHERE name = ANY (:names)")


def run(script: str) -> None:
    """Run a script of several statements, which a prepared one cannot be."""
    adapted = cast("AsyncAdapt_dbapi_connection", op.get_bind().connection.dbapi_connection)
    adapted.run_async(lambda connection: connection.execute(script))


def run_file(name: str) -> None:
    """Run a script that stands beside the revisions."""
    run((VERSIONS / name).read_text(encoding="utf-8"))


def isolate(*tables: str, column: str = "tenant_id") -> None:
    """Let ``cks_app`` touch the rows of its tenant, and no other."""
    for table in tables:
        run((PROTECT + OWN).format(table=table, column=column, current=CURRENT))


def share(*tables: str) -> None:
    """Isolate, but let every tenant read the rows of the platform tenant."""
    for table in tables:
        run((PROTECT + OWN_OR_SHARED).format(table=table, current=CURRENT, platform=PLATFORM))


def cut(name: str, start: str, end: str | None = None) -> str:
    """Return a part of a script, to have again what it made: from ``start`` to before ``end``."""
    _, found, rest = (VERSIONS / name).read_text(encoding="utf-8").partition(start)
    text = rest.partition(end)[0] if end else rest
    return (found + text).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


def permit(name: str, description: str, *roles: str, scope: str | None = None) -> None:
    """Add a permission to the catalogue, and to these built-in roles of every tenant.

    ``scope``: the narrowest at which it means anything, from revision 0015 on.
    """
    op.get_bind().execute(ADD_PERMISSION, {"name": name, "said": description})
    if scope:
        lower(scope, name)
    give(name, *roles)


def give(name: str, *roles: str) -> None:
    """Add a permission to built-in roles of every tenant."""
    op.get_bind().execute(LET_ROLES, {"name": name, "roles": list(roles)})


def lower(scope: str, *names: str) -> None:
    """Let permissions reach as far down as that."""
    op.get_bind().execute(LOWER, {"names": list(names), "scope": scope})


def forbid(*names: str) -> None:
    """Take permissions out of the catalogue, and out of every role."""
    for statement in (BAR_ROLES, DROP_PERMISSIONS):
        op.get_bind().execute(statement, {"names": list(names)})
