"""The people of a tenant.  Each query runs inside a tenant's transaction."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.access import grants, roles
from cks.db.access.decisions import Target, an_admin_stays
from cks.db.access.roles import RoleView
from cks.db.models.users import User
from cks.db.pages import Cut, Page, fetch
from cks.domain.access.permissions import WHOLE_TENANT, Caller
from cks.domain.refusals import NotFound


async def list_page(session: AsyncSession, cut: Cut) -> Page[User]:
    """Return a page of the tenant's users, the newest first."""
    return await fetch(session, sa.select(User), User.id, cut)


async def find(session: AsyncSession, user_id: UUID) -> User:
    """Return a user, or raise ``NotFound``."""
    found: User | None = await session.scalar(sa.select(User).where(User.id == user_id))
    if found is None:
        raise NotFound(Target.USER.lost)
    return found


async def change_role(session: AsyncSession, caller: Caller, user_id: UUID, role: str) -> User:
    """Change a user's own role, which applies to the whole tenant.

    The caller must be allowed to give both the old and the new one; nobody changes their own.
    Raise ``NotFound``, ``Forbidden``, ``Invalid`` for an unknown role, and ``LastAdmin``.
    """
    user = await find(session, user_id)
    grants.check_not_own(caller, user_id)
    known: dict[str, RoleView] = {}
    while user.role not in known:  # roles are locked before users, as in ``roles.change``
        known = {name: await roles.named(session, name) for name in sorted({user.role, role})}
        await session.refresh(user, with_for_update=True)
    if user.role == role:
        return user
    for one in (known[user.role], known[role]):
        await grants.check_handing_out(session, caller, one, WHOLE_TENANT, None)
    user.role = role
    async with an_admin_stays(session):
        await session.flush()
    await session.refresh(user)
    return user
