import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.db.admin import migrate, tenants
from cks.db.admin.connection import NotDone, connected
from cks.db.admin.tenants import Founded, NewTenant
from cks.db.schema import needed_revision
from cks.db.session import Database
from cks.dev.postgres import Postgres
from cks.domain.access.permissions import PERMISSIONS, ROLES
from cks.domain.people import tokens
from tests.conftest import Urls
from tests.support.servers import PASSWORD, postgres

OLDEST = Path("/usr/lib/postgresql/15/bin")

SEED = {
    "users": "id tenant_id email name avatar role status last_login join_date created_at"
    " updated_at",
    "user_preferences": "user_id tenant_id notifications dashboard",
    "user_tokens": "id user_id tenant_id name token created_at last_used",
    "user_sessions": "id user_id tenant_id device ip_address created_at last_active",
    "clusters": "id name status version networking tags tenant_id created_by created_at updated_at",
    "node_pools": "id cluster_id name node_count min_nodes max_nodes instance_type disk_size labels"
    " taints",
    "namespaces": "id name status cluster_id labels annotations quotas usage tenant_id created_by"
    " created_at updated_at",
    "operations": "id type status resource_type resource_id resource_name progress started_at"
    " completed_at error tenant_id created_by",
    "alerts": "id name severity message source_type source_id source_name active created_at"
    " resolved_at tenant_id",
    "metrics": "id metric values",
    "billing_periods": "id tenant_id start_date end_date total_cost currency",
    "billing_usage": "id billing_period_id resource_type amount unit cost currency",
    "rbac_roles": "id name description status",
    "rbac_permissions": "id name description",
    "rbac_role_permissions": "role_id permission_id",
    "rbac_user_roles": "user_id role_id cluster_id namespace_id",
    "notifications": "id user_id type message read created_at",
    "docs": "id title content category tags created_at updated_at",
    "help_tickets": "id user_id subject description status created_at updated_at",
    "qa_questions": "id user_id question created_at",
    "qa_answers": "id question_id user_id answer created_at",
    "activity_logs": "id user_id action resource_type resource_id timestamp status",
}

OBJECTS = """
SELECT relkind::text || ' ' || relname FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'alembic_version%'
UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'type ' || typname FROM pg_type
 WHERE typnamespace = 'public'::regnamespace AND typname NOT LIKE '%alembic_version'
"""

# Without the functions that come with a range type: those belong to PostgreSQL itself.
OWNERS = """
SELECT pg_get_userbyid(relowner) || ' ' || relname FROM pg_class
 WHERE relnamespace = 'public'::regnamespace
UNION SELECT pg_get_userbyid(proowner) || ' ' || proname FROM pg_proc p
 WHERE pronamespace = 'public'::regnamespace
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'i')
UNION SELECT pg_get_userbyid(typowner) || ' ' || typname FROM pg_type
 WHERE typnamespace = 'public'::regnamespace
"""


async def lines(url: str, query: str) -> set[str]:
    async with connected(url) as connection:
        return set(await connection.scalars(sa.text(query)))


async def execute(url: str, *statements: str) -> None:
    async with connected(url) as connection:
        for statement in statements:
            await connection.execute(sa.text(statement))


@pytest.fixture(scope="module", params=[None, OLDEST], ids=["embedded", "15"])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    prefer: Path | None = request.param
    if prefer and not prefer.exists():
        pytest.skip("PostgreSQL 15 is not installed here")
    with postgres(prefer) as server:
        yield server


@pytest.fixture
async def empty(server: Postgres) -> AsyncIterator[str]:
    """An empty database's URL, as the superuser."""
    superuser, name = server.url(PASSWORD), f"t{uuid4().hex}"
    await outside(superuser, f"CREATE DATABASE {name}")
    yield server.url(PASSWORD, database=name)
    await outside(superuser, f"DROP DATABASE {name}")


async def outside(url: str, statement: str) -> None:
    """Run what no transaction may hold."""
    async with connected(url) as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.execute(statement)


async def test_up_and_down_leave_nothing_but_the_roles(empty: str) -> None:
    before = await lines(empty, OBJECTS)
    await migrate.upgrade(empty)
    made = await lines(empty, OBJECTS)
    await migrate.downgrade(empty, "base")
    assert await lines(empty, OBJECTS) == before
    await migrate.upgrade(empty)
    assert await lines(empty, OBJECTS) == made
    assert {f"r {table}" for table in SEED} <= made
    assert "cks_owner" in await lines(empty, "SELECT rolname FROM pg_roles")


async def test_models_and_migrations_agree(empty: str) -> None:
    await migrate.upgrade(empty)
    await migrate.check(empty)
    for change in (
        "ALTER TABLE nodes ALTER name TYPE VARCHAR(99)",
        "ALTER TABLE nodes ALTER name TYPE VARCHAR(128), ADD extra INT",
        "ALTER TABLE nodes DROP extra, ALTER name DROP NOT NULL",
        "ALTER TABLE nodes ALTER name SET NOT NULL, DROP CONSTRAINT nodes_tenant_id_id_key",
    ):
        await execute(empty, change)
        with pytest.raises(NotDone, match="New upgrade operations"):
            await migrate.check(empty)


async def test_every_object_is_the_owners_whoever_migrates(empty: str) -> None:
    roles = (migrate.FOLDER / "roles.sql").read_text()
    await outside(empty, roles)
    await outside(empty, "CREATE ROLE deployer LOGIN PASSWORD 'tests'; GRANT cks_owner TO deployer")
    deployer = empty.replace("//postgres:", "//deployer:")
    try:
        await migrate.upgrade(deployer)
        definers = {"cks_audit audit_chain", "cks_guard keep_an_admin"}
        others = {line for line in await lines(empty, OWNERS) if not line.startswith("cks_owner ")}
        assert others == definers
        await migrate.check(deployer)
        await migrate.downgrade(deployer, "base")
    finally:
        await outside(empty, "DROP ROLE deployer")


async def test_a_login_without_the_owners_rights_is_sent_to_a_dba(empty: str) -> None:
    await outside(empty, "CREATE ROLE stranger LOGIN PASSWORD 'tests'")
    try:
        with pytest.raises(NotDone, match=r"A DBA runs cks/db/migrations/roles\.sql"):
            await migrate.upgrade(empty.replace("//postgres:", "//stranger:"))
    finally:
        await outside(empty, "DROP ROLE stranger")


async def test_upgrades_that_meet_wait_for_each_other(empty: str) -> None:
    await asyncio.gather(*(migrate.upgrade(empty) for _ in range(4)))
    assert await lines(empty, "SELECT version_num FROM alembic_version") == {needed_revision()}


@pytest.mark.parametrize("table", SEED)
async def test_the_seeds_columns_are_there(owner: AsyncEngine, table: str) -> None:
    query = sa.text(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = :table"
    )
    async with owner.connect() as connection:
        rows = await connection.execute(query, {"table": table})
        found = {row.column_name: row.data_type for row in rows}
    assert set(SEED[table].split()) <= set(found)
    assert "tenant_id" in found
    assert "timestamp without time zone" not in found.values()


async def test_the_catalogue_of_permissions_is_what_the_rules_know(urls: Urls) -> None:
    assert await lines(urls.owner, "SELECT name FROM rbac_permissions") == set(PERMISSIONS)


async def test_going_back_from_rights_at_scopes_gives_nobody_more(empty: str) -> None:
    await migrate.upgrade(empty)
    made = await tenants.create_tenant(empty, NewTenant("acme", "ada@acme.test"))
    tenant = str(made.tenant_id)
    for role in ("namespace_admin", "security_admin"):
        await tenants.create_user(empty, tenant, f"{role}@acme.test", role)
    await tenants.create_token(empty, "ada@acme.test", "ci", ["clusters.read"])
    await migrate.downgrade(empty, "0014")
    roles = "SELECT email || ' ' || role FROM users"
    assert await lines(empty, roles) == {
        "ada@acme.test admin",
        "namespace_admin@acme.test without_rights",
        "security_admin@acme.test without_rights",
    }
    allowed = "SELECT u.email FROM users u, can(u.id, 'clusters.read')"
    assert await lines(empty, allowed) == {"ada@acme.test"}
    revoked = "SELECT name || ' ' || (revoked_at IS NOT NULL) FROM user_tokens WHERE name = 'ci'"
    assert await lines(empty, revoked) == {"ci true"}
    await migrate.upgrade(empty)
    held = "SELECT r.name FROM rbac_roles r WHERE r.builtin"
    assert await lines(empty, held) == set(ROLES)


async def test_the_version_before_lets_a_narrowed_token_through_to_what_it_lists(
    urls: Urls, founded: Founded, database: Database
) -> None:
    """It may still run beside the new schema."""
    issued = await tenants.create_token(urls.owner, str(founded.user_id), None, ["clusters.read"])
    ask = "SELECT allowed FROM enter($1, $2, $3)"
    claim = tokens.read(issued.token)
    assert claim
    for permission, allowed in (("clusters.read", True), ("clusters.create", False)):
        row = await database.ask(ask, founded.tenant_id, claim.digest, permission)
        assert row is not None
        assert row["allowed"] is allowed


BEFORE_DEADLINES = """
INSERT INTO tenants (id, name) VALUES ('00000000-0000-0000-0000-00000000000a', 'acme');
INSERT INTO operations (id, tenant_id, type, status, resource_type, resource_id, ending, error,
                        runnable_at, completed_at)
SELECT CAST('00000000-0000-0000-0000-00000000000' || n AS uuid),
       '00000000-0000-0000-0000-00000000000a', 'cluster.create', status, 'cluster',
       gen_random_uuid(), ending, error, now(), done
  FROM (VALUES (1, 'running', NULL, NULL, NULL),
               (2, 'running', 'failed', 'It broke; all that was made is undone.', NULL),
               (3, 'failed', 'failed', 'It broke; all that was made is undone.', now())
       ) AS o (n, status, ending, error, done)
"""
DEADLINES = """
SELECT concat_ws(' ', right(id::text, 1), extract(hour FROM forward_until - now()),
                 extract(hour FROM deadline_at - now()), error) FROM operations
"""
ACCEPTED_BY_THE_VERSION_BEFORE = """
INSERT INTO operations (tenant_id, type, resource_type, resource_id, runnable_at)
VALUES ('00000000-0000-0000-0000-00000000000a', 'cluster.create', 'cluster', gen_random_uuid(),
        now())
"""


async def test_what_is_under_way_gets_a_deadline_and_what_has_ended_stays(empty: str) -> None:
    await migrate.upgrade(empty, "0007")
    await execute(empty, *BEFORE_DEADLINES.split(";\n"))
    await migrate.upgrade(empty)
    told = sorted(await lines(empty, DEADLINES))
    assert [line.split(" ", 1)[0] for line in told] == ["1", "2", "3"]
    assert told[1].endswith("It broke.")
    assert told[2] == "3 It broke; all that was made is undone."
    await execute(empty, ACCEPTED_BY_THE_VERSION_BEFORE)
    due = "SELECT count(*)::text FROM operations WHERE deadline_at > now() + interval '50 minutes'"
    assert await lines(empty, due) == {"3"}


async def test_a_deadline_never_moves_away(empty: str) -> None:
    await migrate.upgrade(empty, "0007")
    await execute(empty, *BEFORE_DEADLINES.split(";\n"))
    await migrate.upgrade(empty)
    move = "UPDATE operations SET deadline_at = {} WHERE status = 'running'"
    for wrong in ("deadline_at + interval '1 second'", "NULL, forward_until = NULL"):
        with pytest.raises(NotDone, match="never moves away"):
            await execute(empty, move.format(wrong))
    await execute(empty, move.format("deadline_at - interval '1 second'"))
