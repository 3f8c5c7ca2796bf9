"""The people of a tenant.  Each query runs inside a tenant's transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db import granting, roles
from cks.db.access import Where
from cks.db.models.users import User
from cks.db.pages import Cut, Page, fetch
from cks.db.session import driver
from cks.domain.access import WHOLE_TENANT, Caller
from cks.domain.refusals import LastAdmin, NotFound

CHECK_ADMINS = "SET CONSTRAINTS keep_an_admin IMMEDIATE"


async def list_page(session: AsyncSession, cut: Cut) -> Page[User]:
    """Return a page of the tenant's users, the newest first."""
    return await fetch(session, sa.select(User), User.id, cut)


async def find(session: AsyncSession, user_id: UUID, *, locked: bool = False) -> User:
    """Return a user, or raise ``NotFound``; ``locked``: who stays so in this transaction."""
    query = sa.select(User).where(User.id == user_id)
    found: User | None = await session.scalar(query.with_for_update() if locked else query)
    if found is None:
        raise NotFound(Where.USER.lost)
    return found


async def change_role(session: AsyncSession, caller: Caller, user_id: UUID, role: str) -> User:
    """Give a user another role of their own, which counts in all of the tenant.

    It takes the right to hand out both the old and the new; nobody changes their own.  Raise
    ``NotFound``, ``Forbidden``, ``Invalid`` for an unknown role, ``LastAdmin``.
    """
    user = await find(session, user_id, locked=True)
    granting.check_not_own(caller, user_id)
    new = await roles.named(session, role)
    if user.role == new.name:
        return user
    for one in (await roles.named(session, user.role), new):
        await granting.check_handing_out(session, caller, one, WHOLE_TENANT, None)
    user.role = new.name
    async with an_admin_stays(session):
        await session.flush()
    await session.refresh(user)
    return user


@asynccontextmanager
async def an_admin_stays(session: AsyncSession) -> AsyncIterator[None]:
    """Have the database say now, not at the commit, whether an admin is left.

    Raise ``LastAdmin`` if not.
    """
    try:
        yield
        await driver(session).execute(CHECK_ADMINS)
    except asyncpg.CheckViolationError as error:
        if error.constraint_name != "last_admin":
            raise
        raise LastAdmin("The tenant would be left without an admin.") from error
