"""A tenant's own settings, as it reads and changes them itself.

What changes the length of billing periods takes effect with the next one: each period keeps the
time zone in which it began.
"""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.models.tenants import Tenant
from cks.domain.access.permissions import Caller


async def read(session: AsyncSession, caller: Caller) -> Tenant:
    """Return the caller's tenant."""
    return await session.get_one(Tenant, caller.tenant_id)


async def change(session: AsyncSession, caller: Caller, changes: Mapping[str, object]) -> Tenant:
    """Set some of ``name timezone billing_cycle``; concurrent changes are serialized."""
    tenant = await session.get_one(Tenant, caller.tenant_id, with_for_update=True)
    for name, value in changes.items():
        setattr(tenant, name, value)
    await session.flush()
    await session.refresh(tenant)
    return tenant
