"""Nobody sees, or touches, a neighbour's rows: whatever tables the catalogue lists."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from cks.db.admin import tenants
from cks.db.admin.tenants import Founded, NewTenant
from cks.db.dispatch import Dispatch
from cks.db.models.clusters import Cluster
from cks.db.models.operations import Operation, OperationStep
from cks.db.models.tenants import PLATFORM
from cks.db.session import Database
from tests.conftest import Urls
from tests.support.rows import fill

REFUSED = "42501"
FOUND = {"operations", "operation_steps", "tenants"}
"""Tables of which ``cks_dispatch`` may read some columns, in every tenant."""
NO_TENANT = ("42704", "22P02")
"""SQLSTATEs: a setting that was never set, or that ended with its transaction."""

RELATIONS = sa.text("""
SELECT relname AS name, relkind = 'r' AS writable,
       CASE relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END AS tenant,
       array_to_string(ARRAY(
         SELECT attname FROM pg_attribute
          WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
            AND attgenerated = '' AND attidentity <> 'a' ORDER BY attnum), ', ') AS columns
  FROM pg_class c
 WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relnamespace = 'public'::regnamespace
   AND relname <> 'alembic_version' ORDER BY relname
""")

LEAKY = """
CREATE TABLE leaky (tenant_id UUID);
INSERT INTO leaky SELECT id FROM tenants;
GRANT ALL ON leaky TO cks_app
"""


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view of the catalogue, and which column says whose a row is."""

    name: str
    writable: bool
    tenant: str
    columns: str

    def reads(self) -> dict[str, str]:
        return {"read": f"SELECT FROM {self.name} WHERE {self.tenant} = :theirs"}

    def touches(self) -> dict[str, str]:
        whose = f"{self.name} WHERE {self.tenant} = :theirs"
        update = f"UPDATE {self.name} SET {self.tenant} = {self.tenant}"
        if not self.writable:
            return {}
        return {
            "update": f"{update} WHERE {self.tenant} = :theirs",
            "delete": f"DELETE FROM {whose}",
        }

    def crossings(self) -> dict[str, str]:
        """Return what would put a row of ours into their hands."""
        if not self.writable:
            return {}
        changed = f"to_jsonb(x) || jsonb_build_object('{self.tenant}', CAST(:theirs AS text))"
        return {
            "move": f"UPDATE {self.name} SET {self.tenant} = :theirs WHERE {self.tenant} = :mine",
            "insert": f"INSERT INTO {self.name} ({self.columns}) SELECT {self.columns} FROM"
            f" (SELECT (jsonb_populate_record(NULL::{self.name}, {changed})).*"
            f" FROM {self.name} x WHERE {self.tenant} = :mine LIMIT 1) AS copy",
        }


@dataclass(frozen=True, slots=True)
class Pair:
    mine: UUID
    theirs: UUID

    def into(self, statement: str) -> sa.TextClause:
        mine = statement.replace(":mine", f"'{self.mine}'")
        return sa.text(mine.replace(":theirs", f"'{self.theirs}'"))


@pytest.fixture(scope="module")
async def pair(urls: Urls, owner: AsyncEngine) -> Pair:
    """Two tenants with a row in every table."""
    founded: list[Founded] = []
    for name in ("mine", "theirs"):
        new = NewTenant(name, f"{uuid4()}@{name}.test")
        founded.append(await tenants.create_tenant(urls.owner, new))
        async with AsyncSession(owner) as session, session.begin():
            await fill(session, founded[-1])
    return Pair(founded[0].tenant_id, founded[1].tenant_id)


async def relations(owner: AsyncEngine) -> list[Relation]:
    async with owner.connect() as connection:
        return [Relation(*row) for row in await connection.execute(RELATIONS)]


async def outcome(database: Database, tenant: UUID | None, statement: str, pair: Pair) -> str:
    """Return how many rows a statement met as ``cks_app``, or its SQLSTATE; undo it."""
    async with database.engine.connect() as connection:
        if tenant:
            setting = sa.text("SELECT set_config('app.tenant_id', :tenant, true)")
            await connection.execute(setting, {"tenant": str(tenant)})
        try:
            met = await connection.execute(pair.into(statement))
        except DBAPIError as error:
            return str(error.orig.sqlstate)  # type: ignore[union-attr]
        return str(met.rowcount if met.rowcount >= 0 else len(met.all()))


async def leaks(database: Database, relation: Relation, pair: Pair) -> list[str]:
    """Try everything that one tenant may not do to another's rows; name what went through."""
    found = []
    for probe, statement in (relation.reads() | relation.touches()).items():
        if await outcome(database, pair.mine, statement, pair) not in ("0", REFUSED):
            found.append(f"{probe} {relation.name}")
    for probe, statement in relation.crossings().items():
        if await outcome(database, pair.mine, statement, pair) != REFUSED:
            found.append(f"{probe} {relation.name}")
    every = relation.reads() | relation.touches() | relation.crossings()
    for probe, statement in every.items():
        if await outcome(database, None, statement, pair) not in (*NO_TENANT, REFUSED):
            found.append(f"{probe} {relation.name} without a tenant")
    return found


async def test_a_probe_of_every_table_and_view_meets_rows(
    database: Database, owner: AsyncEngine, pair: Pair
) -> None:
    unmet = []
    for relation in await relations(owner):
        for tenant in (pair.mine, pair.theirs):
            own = f"SELECT FROM {relation.name} WHERE {relation.tenant} = '{tenant}'"
            if await outcome(database, tenant, own, pair) in ("0", REFUSED):
                unmet.append(relation.name)
    assert unmet == []


async def test_no_table_or_view_leaks_between_tenants(
    database: Database, owner: AsyncEngine, pair: Pair
) -> None:
    listed = await relations(owner)
    assert len(listed) >= 32
    found = [leak for relation in listed for leak in await leaks(database, relation, pair)]
    assert found == []


async def test_a_table_without_a_policy_is_found_by_itself(
    database: Database, owner: AsyncEngine, pair: Pair
) -> None:
    async with owner.begin() as connection:
        for statement in LEAKY.split(";"):
            await connection.execute(sa.text(statement))
    try:
        listed = await relations(owner)
        leaky = next(relation for relation in listed if relation.name == "leaky")
        found = {leak.split()[0] for leak in await leaks(database, leaky, pair)}
        assert found == {"read", "update", "delete", "move", "insert"}
        assert "leaky" in await unprotected(owner)
    finally:
        async with owner.begin() as connection:
            await connection.execute(sa.text("DROP TABLE leaky"))


async def unprotected(owner: AsyncEngine) -> list[str]:
    query = sa.text(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname <> 'alembic_version'"
        " AND relnamespace = 'public'::regnamespace"
        " AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY relname"
    )
    async with owner.connect() as connection:
        return list(await connection.scalars(query))


async def test_row_security_is_forced_on_every_table(owner: AsyncEngine) -> None:
    assert await unprotected(owner) == []


async def test_only_these_policies_let_everything_through(owner: AsyncEngine) -> None:
    query = sa.text(
        "SELECT array_to_string(roles, ','), policyname, tablename FROM pg_policies"
        " WHERE qual = 'true' OR with_check = 'true'"
    )
    tables = {relation.name for relation in await relations(owner) if relation.writable}
    async with owner.connect() as connection:
        found = {tuple(row) for row in await connection.execute(query)}
    assert found == {
        *(("cks_owner", "owner_maintains", table) for table in tables),
        *(("cks_dispatch", "dispatch_finds", table) for table in FOUND),
        ("cks_guard", "guard_counts", "tenants"),
        ("cks_guard", "guard_counts", "users"),
        ("cks_guard", "guard_counts", "rbac_roles"),
        ("cks_guard", "guard_counts", "rbac_user_roles"),
        ("cks_audit", "chain", "audit_heads"),
    }


async def test_no_role_of_ours_bypasses_row_security(owner: AsyncEngine) -> None:
    query = sa.text(
        "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname LIKE 'cks%'"
        " AND NOT (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)"
    )
    async with owner.connect() as connection:
        found = {tuple(row) for row in await connection.execute(query)}
    assert found == {
        ("cks_app", True),
        ("cks_audit", False),
        ("cks_dispatch", True),
        ("cks_guard", False),
        ("cks_owner", False),
    }


async def test_every_tenant_reads_the_shared_catalogue_and_none_writes_it(
    database: Database, pair: Pair
) -> None:
    shared = f"rbac_permissions WHERE tenant_id = '{PLATFORM}'"
    assert int(await outcome(database, pair.mine, f"SELECT FROM {shared}", pair)) > 0
    assert await outcome(database, pair.mine, f"DELETE FROM {shared}", pair) == REFUSED
    ours = f"INSERT INTO docs (tenant_id, title, content) VALUES ('{PLATFORM}', 't', 'c')"
    assert await outcome(database, pair.mine, ours, pair) == REFUSED


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO tenants (id, name) VALUES (:mine, 'x')",
        "UPDATE tenants SET status = 'closed' WHERE id = :mine",
        "UPDATE quotas SET maximum = 10000 WHERE tenant_id = :mine",
        "DELETE FROM operations WHERE tenant_id = :mine",
        "DELETE FROM activity_logs WHERE tenant_id = :mine",
        "UPDATE audit_heads SET seq = 0 WHERE tenant_id = :mine",
        "UPDATE billing_usage SET cost = 0 WHERE tenant_id = :mine",
        "DELETE FROM rbac_role_permissions WHERE tenant_id = :mine",
        "UPDATE alembic_version SET version_num = '0001'",
        "CREATE TABLE mine (id INT)",
        "TRUNCATE billing_periods",
    ],
)
async def test_the_app_cannot_do_to_its_own_tenant(
    database: Database, pair: Pair, statement: str
) -> None:
    assert await outcome(database, pair.mine, statement, pair) == REFUSED


async def test_the_app_can_lock_a_quota_and_draw_a_fence(database: Database, pair: Pair) -> None:
    lock = "SELECT FROM quotas WHERE tenant_id = :mine FOR UPDATE"
    assert await outcome(database, pair.mine, lock, pair) == "2"
    draw = "SELECT nextval('fences') < nextval('fences') AND nextval('claim_slots') > 0"
    assert await outcome(database, pair.mine, draw, pair) == "1"


async def privileges(connection: AsyncConnection, kind: str) -> set[str]:
    query = sa.text(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v')"
        " AND relnamespace = 'public'::regnamespace"
        " AND has_any_column_privilege('cks_dispatch', oid, :kind)"
    )
    return set(await connection.scalars(query, {"kind": kind}))


async def test_dispatch_finds_in_every_tenant_and_can_do_nothing_else(
    owner: AsyncEngine, dispatch: Dispatch, pair: Pair
) -> None:
    async with dispatch.engine.connect() as connection:
        found = set(await connection.scalars(sa.select(Operation.tenant_id)))
    assert {pair.mine, pair.theirs} <= found
    for forbidden in (
        sa.select(Operation.request),
        sa.select(OperationStep.last_error),
        sa.select(Operation.id).with_for_update(),
        sa.select(Cluster.id),
        sa.update(Operation).values(fence=9),
    ):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with dispatch.engine.connect() as connection:
                await connection.execute(forbidden)
    async with owner.connect() as connection:
        assert await privileges(connection, "SELECT") == FOUND
        for kind in ("INSERT", "UPDATE", "REFERENCES"):
            assert await privileges(connection, kind) == set()
