import asyncio
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.db.admin import tenants
from cks.db.admin.connection import NotDone, as_owner
from cks.db.admin.tenants import Founded, NewTenant
from cks.db.models.activity import ActivityLog
from cks.db.models.tenants import Quota, Tenant
from cks.db.models.users import User, UserToken
from cks.db.session import Database
from cks.domain.access.permissions import ROLES
from cks.domain.people import tokens
from cks.domain.tenants.quotas import DEFAULTS
from tests.conftest import Urls


def address() -> str:
    return f"{uuid4()}@acme.test"


async def test_a_new_tenants_admin_may_do_everything_at_once(
    database: Database, founded: Founded
) -> None:
    every = sorted(ROLES["admin"].permissions)
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
        (NewTenant("mars", "a@mars.test", timezone="Mars/Base"), "Mars/Base is not a time zone"),
        (NewTenant("mars", "a@mars.test", currency="eur"), "eur is not a currency"),
        (NewTenant("mars", "nobody"), "nobody is not an email address"),
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
    with pytest.raises(NotDone, match="already has a token named laptop"):
        await tenants.create_token(urls.owner, str(joined.user_id), "laptop")

    second = await tenants.create_tenant(urls.owner, NewTenant(name, address()))
    ids = f"{first.tenant_id}, {second.tenant_id}"
    with pytest.raises(NotDone, match=rf"2 tenants are named .* an id: {ids}\."):
        await tenants.create_user(urls.owner, name, address(), "viewer")


async def test_of_two_tenants_made_at_once_under_one_name_one_is_there(urls: Urls) -> None:
    name = f"twins {uuid4()}"
    wishes = [NewTenant(name, address()) for _ in range(4)]
    making = (tenants.create_tenant(urls.owner, wish, unique_name=True) for wish in wishes)
    answers = await asyncio.gather(*making, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Founded"] + ["NotDone"] * 3


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
    with pytest.raises(NotDone, match="no role boss; choose one of admin, developer, namesp"):
        await tenants.create_user(urls.owner, str(tenant), address(), "boss")


async def test_the_platform_takes_no_users(urls: Urls, owner: AsyncEngine) -> None:
    with pytest.raises(NotDone, match="no tenant platform"):
        await tenants.create_user(urls.owner, "platform", address(), "admin")
    async with owner.connect() as connection:
        query = sa.select(sa.func.count()).where(User.tenant_id == UUID(int=0))
        assert await connection.scalar(query) == 0


async def test_a_statement_of_the_owner_may_take_as_long_as_it_takes(urls: Urls) -> None:
    async with as_owner(urls.owner) as connection:
        raw = await connection.get_raw_connection()
        assert raw.driver_connection is not None
        assert raw.driver_connection._config.command_timeout is None
