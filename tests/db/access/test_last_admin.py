"""A tenant always has an admin: on every way, and when two go at once."""

import asyncio
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.db.admin import tenants
from cks.db.admin.tenants import Founded
from cks.db.people import users
from cks.db.session import Database
from cks.domain.access.permissions import Caller
from cks.domain.refusals import Forbidden, LastAdmin
from tests.conftest import Urls

ROUNDS = 200
RESTORE = sa.text("UPDATE users SET role = 'admin' WHERE tenant_id = :tenant")
ADMINS = sa.text("SELECT count(*) FROM users WHERE tenant_id = :tenant AND role = 'admin'")


async def another_admin(urls: Urls, tenant: UUID) -> UUID:
    email = f"{uuid4()}@acme.test"
    return (await tenants.create_user(urls.owner, str(tenant), email, "admin")).user_id


async def demote(database: Database, tenant: UUID, actor: UUID, other: UUID) -> bool:
    """Let an admin demote another; say whether it was done."""
    caller = Caller(tenant, actor, "a@acme.test", uuid4(), "r", "", "")
    try:
        async with database.begin(tenant) as session:
            await users.change_role(session, caller, other, "viewer")
    except (LastAdmin, Forbidden):
        return False
    return True


async def test_of_two_admins_who_demote_each_other_one_remains_each_time(
    urls: Urls, owner: AsyncEngine, database: Database, founded: Founded
) -> None:
    tenant, first = founded.tenant_id, founded.user_id
    second = await another_admin(urls, tenant)
    for _ in range(ROUNDS):
        done = await asyncio.gather(
            demote(database, tenant, first, second), demote(database, tenant, second, first)
        )
        async with owner.begin() as connection:
            assert await connection.scalar(ADMINS, {"tenant": tenant}) == 1
            await connection.execute(RESTORE, {"tenant": tenant})
        assert sorted(done) == [False, True]


GRANT = """
INSERT INTO rbac_user_roles (tenant_id, user_id, role_id)
SELECT tenant_id, :user, id FROM rbac_roles WHERE tenant_id = :tenant AND name = 'admin'
"""
WAYS = {
    "another role": "UPDATE users SET role = 'viewer' WHERE id = :user",
    "suspended": "UPDATE users SET status = 'suspended' WHERE id = :user",
    "deleted": "DELETE FROM users WHERE id = :user",
    "revoked": "DELETE FROM rbac_user_roles WHERE user_id = :user",
    "given an end": "UPDATE rbac_user_roles SET expires_at = now() + interval '1 year'"
    " WHERE user_id = :user",
    "bound elsewhere": "UPDATE rbac_user_roles SET role_id = (SELECT id FROM rbac_roles r"
    " WHERE r.tenant_id = rbac_user_roles.tenant_id AND r.name = 'viewer') WHERE user_id = :user",
    "the role made inactive": "UPDATE rbac_roles SET status = 'inactive'"
    " WHERE tenant_id = :tenant AND name = 'admin'",
    "the role no longer built in": "UPDATE rbac_roles SET builtin = false"
    " WHERE tenant_id = :tenant AND name = 'admin'",
}


@pytest.mark.parametrize("status", ["active", "suspended"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_no_way_leads_past_the_last_admin(
    owner: AsyncEngine, founded: Founded, way: str, status: str
) -> None:
    """Not even as the owner, and not while the tenant is suspended."""
    whose = {"tenant": founded.tenant_id, "user": founded.user_id}
    async with owner.begin() as connection:
        if "rbac_user_roles" in way:  # their own role is another: the grant alone makes them one
            await connection.execute(sa.text(GRANT), whose)
            await connection.execute(sa.text(WAYS["another role"]), whose)
        standing = "UPDATE tenants SET status = :status WHERE id = :tenant"
        await connection.execute(sa.text(standing), {**whose, "status": status})
    with pytest.raises(DBAPIError, match="the last admin stays"):
        async with owner.begin() as connection:
            await connection.execute(sa.text(way), whose)
