"""A tenant's own settings, as it reads and changes them itself.

What changes the length of billing periods counts from the next one on: each period keeps the
zone that it began in.
"""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.models.tenants import Tenant
from cks.domain.access.permissions import Caller


async def read(session: AsyncSession, caller: Caller) -> Tenant:
    """Return the caller's tenant."""
    return await session.get_one(Tenant, caller.tenant_id)


async def change(session: AsyncSession, caller: Caller, changes: Mapping[str, object]) -> Tenant:
    """Set some of ``name timezone billing_cycle``; two at once come one after the other."""
    tenant = await session.get_one(Tenant, caller.tenant_id, with_for_update=True)
    for name, value in changes.items():
        setattr(tenant, name, value)
    await session.flush()
    await session.refresh(tenant)
    return tenant
