import asyncio
import json
from uuid import UUID, uuid4

import click
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.cli import admin
from cks.db import tenants
from cks.db.migrate import head
from cks.db.models.activity import ActivityLog
from cks.db.models.tenants import Quota, Tenant
from cks.db.models.users import User, UserToken
from cks.db.owner import NotDone
from cks.db.session import Database
from cks.db.tenants import Founded, NewTenant
from cks.domain import tokens
from cks.domain.access import ROLES
from cks.domain.quotas import DEFAULTS
from tests.conftest import Urls


def address() -> str:
    return f"{uuid4()}@acme.test"


async def cks_admin(url: str, *words: str) -> Result:
    """Run a command in a thread, where it can have an event loop of its own."""
    group = click.Group("admin")
    admin.register(group)
    environment = {"CKS_DATABASE_URL": url}
    return await asyncio.to_thread(CliRunner().invoke, group, words, env=environment)


async def made(urls: Urls, *words: str) -> dict[str, str]:
    answer: dict[str, str] = json.loads((await cks_admin(urls.owner, *words)).stdout)
    return answer


async def test_a_new_tenants_admin_may_do_everything_at_once(
    database: Database, founded: Founded
) -> None:
    every = sorted(ROLES["admin"][1])
    async with database.begin(founded.tenant_id) as session:
        digest = tokens.digest_of(founded.token)
        user = await session.scalar(sa.select(UserToken.user_id).where(UserToken.token == digest))
        allowed = [
            permission
            for permission in every
            if await session.scalar(sa.select(sa.func.can(user, permission)))
        ]
    assert user == founded.user_id
    assert allowed == every


async def test_a_token_names_its_tenant_and_is_kept_as_a_digest_alone(
    owner: AsyncEngine, founded: Founded
) -> None:
    claim = tokens.read(founded.token)
    assert claim is not None
    assert claim.tenant_id == founded.tenant_id
    async with owner.connect() as connection:
        query = sa.select(UserToken).where(UserToken.user_id == founded.user_id)
        row = (await connection.execute(query)).one()
    assert row.token == claim.digest
    assert founded.token.startswith(row.prefix)
    assert len(row.prefix) == 12


async def test_a_new_tenant_has_its_quotas(database: Database, tenant: UUID) -> None:
    async with database.begin(tenant) as session:
        rows = (await session.execute(sa.select(Quota.quota, Quota.maximum, Quota.unit))).all()
    assert {quota: (maximum, unit) for quota, maximum, unit in rows} == DEFAULTS


async def test_what_a_role_lacks_is_denied(
    urls: Urls, database: Database, founded: Founded
) -> None:
    joined = await tenants.create_user(urls.owner, str(founded.tenant_id), address(), "viewer")
    async with database.begin(founded.tenant_id) as session:
        may = {
            permission: await session.scalar(sa.select(sa.func.can(joined.user_id, permission)))
            for permission in ("clusters.read", "clusters.create")
        }
    assert may["clusters.read"] is not None
    assert may["clusters.create"] is None


async def test_every_change_leaves_a_row_in_the_log(
    urls: Urls, database: Database, founded: Founded
) -> None:
    joined = await tenants.create_user(urls.owner, str(founded.tenant_id), address(), "developer")
    issued = await tenants.create_token(urls.owner, str(joined.user_id))
    columns = (ActivityLog.action, ActivityLog.resource_type, ActivityLog.resource_id)
    async with database.begin(founded.tenant_id) as session:
        rows = (await session.execute(sa.select(*columns).order_by(ActivityLog.seq))).all()
        actors = set(await session.scalars(sa.select(ActivityLog.actor_type)))
    assert [tuple(row) for row in rows] == [
        ("tenants.create", "tenant", founded.tenant_id),
        ("users.create", "user", joined.user_id),
        ("tokens.create", "token", issued.token_id),
    ]
    assert actors == {"system"}


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (NewTenant("mars", "a@mars.test", timezone="Mars/Base"), "Mars/Base is no time zone"),
        (NewTenant("mars", "a@mars.test", currency="eur"), "eur is no currency"),
        (NewTenant("mars", "nobody"), "nobody is no e-mail address"),
        (NewTenant(" ", "a@mars.test"), "1 to 128 characters"),
    ],
)
async def test_leaves_no_tenant_behind_when_a_wish_is_wrong(
    urls: Urls, owner: AsyncEngine, wish: NewTenant, why: str
) -> None:
    with pytest.raises(NotDone, match=why):
        await tenants.create_tenant(urls.owner, wish)
    async with owner.connect() as connection:
        query = sa.select(sa.func.count()).where(Tenant.name == wish.name)
        assert await connection.scalar(query) == 0


async def test_an_address_belongs_to_one_user_in_any_case_of_its_letters(
    urls: Urls, founded: Founded
) -> None:
    email = address()
    await tenants.create_user(urls.owner, str(founded.tenant_id), email, "viewer")
    with pytest.raises(NotDone, match="already"):
        await tenants.create_user(urls.owner, str(founded.tenant_id), email.upper(), "viewer")


async def test_a_tenant_can_be_named_unless_two_bear_the_name(urls: Urls) -> None:
    name = str(uuid4())[:13]
    first = await tenants.create_tenant(urls.owner, NewTenant(name, address()))
    email = address()
    joined = await tenants.create_user(urls.owner, name, email, "viewer")
    issued = await tenants.create_token(urls.owner, email.upper(), "laptop")
    claim = tokens.read(issued.token)
    assert claim is not None
    assert claim.tenant_id == first.tenant_id
    with pytest.raises(NotDone, match="named laptop already"):
        await tenants.create_token(urls.owner, str(joined.user_id), "laptop")

    await tenants.create_tenant(urls.owner, NewTenant(name, address()))
    with pytest.raises(NotDone, match="2 tenants are named"):
        await tenants.create_user(urls.owner, name, address(), "viewer")


async def test_a_user_keeps_several_tokens_without_naming_them(
    urls: Urls, owner: AsyncEngine, founded: Founded
) -> None:
    for _ in range(3):
        await tenants.create_token(urls.owner, str(founded.user_id))
    async with owner.connect() as connection:
        query = sa.select(sa.func.count(UserToken.name.distinct())).where(
            UserToken.user_id == founded.user_id
        )
        assert await connection.scalar(query) == 4


async def test_a_user_gets_a_role_that_the_tenant_has(urls: Urls, tenant: UUID) -> None:
    with pytest.raises(NotDone, match="no role boss; choose one of admin, developer, viewer"):
        await tenants.create_user(urls.owner, str(tenant), address(), "boss")


async def test_the_platform_takes_no_users(urls: Urls, owner: AsyncEngine) -> None:
    with pytest.raises(NotDone, match="no tenant platform"):
        await tenants.create_user(urls.owner, "platform", address(), "admin")
    async with owner.connect() as connection:
        query = sa.select(sa.func.count()).where(User.tenant_id == UUID(int=0))
        assert await connection.scalar(query) == 0


async def test_the_commands_answer_in_json_that_leads_on(urls: Urls) -> None:
    founded = await made(urls, "tenant", "create", "globex", "--admin-email", address())
    email = address()
    words = ("--tenant", founded["tenant_id"], "--email", email, "--role", "developer")
    joined = await made(urls, "user", "create", *words)
    issued = await made(urls, "token", "create", "--user", joined["user_id"])
    assert set(founded) == {"tenant_id", "user_id", "token"}
    assert set(joined) == {"user_id", "token"}
    assert set(issued) == {"token_id", "token"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("tenant", "create", "x", "--admin-email", "x@x.test", "--timezone", "Nix"), "Nix is no"),
        (("user", "create", "--tenant", "nix", "--email", "x@x.test", "--role", "r"), "tenant nix"),
        (("token", "create", "--user", "nobody@x.test"), "no user nobody@x.test"),
    ],
)
async def test_a_command_says_in_one_line_what_is_wrong(
    urls: Urls, words: tuple[str, ...], why: str
) -> None:
    ran = await cks_admin(urls.owner, *words)
    assert ran.exit_code == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith("Error: ")
    assert why in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://127.0.0.1/x",
        "postgresql://nobody:wrong@127.0.0.1:1/postgres",
        "postgresql://127.0.0.1:notaport/x",
    ],
)
async def test_a_command_without_a_database_says_so_in_one_line(url: str) -> None:
    ran = await cks_admin(url, "migrate")
    assert ran.exit_code == 1
    assert ran.stderr.startswith("Error: ")
    assert ran.stderr.count("\n") == 1
    assert "database" in ran.stderr.lower()


async def test_migrating_says_where_the_schema_is(urls: Urls) -> None:
    assert (await cks_admin(urls.owner, "migrate")).stdout == f"The schema is at {head()}.\n"


async def test_a_login_that_may_not_act_as_the_owner_is_told_so(urls: Urls) -> None:
    for words, why in (
        (("migrate",), "may not act as cks_owner"),
        (("token", "create", "--user", "x@x.test"), "permission denied to set role"),
    ):
        ran = await cks_admin(urls.app, *words)
        assert ran.exit_code == 1
        assert why in ran.stderr
        assert ran.stderr.count("\n") == 1
