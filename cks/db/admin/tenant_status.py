"""What operators do to an existing tenant: set, suspend, activate.

A suspended tenant can read and cancel, but start and change nothing.  Its clusters and the
operations accepted before keep running.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from cks.db.activity_log import log_by_hand
from cks.db.admin.connection import NotDone, as_owner
from cks.db.admin.tenants import CLOSED, check_settings, find_tenant
from cks.db.models.tenants import Tenant

ACTIVE, SUSPENDED = "active", "suspended"


@dataclass(frozen=True, slots=True)
class Standing:
    """A tenant as an operator sees it."""

    tenant_id: UUID
    name: str
    status: str
    timezone: str
    currency: str
    billing_cycle: str


async def set_tenant(url: str, tenant: str, changes: Mapping[str, str]) -> Standing:
    """Set some of ``name timezone billing_cycle``; raise ``NotDone`` for an invalid value."""
    check_settings(changes)
    return await _change(url, tenant, "tenants.set", changes)


async def suspend(url: str, tenant: str) -> Standing:
    """Suspend a tenant; repeating it changes nothing."""
    return await _change(url, tenant, "tenants.suspend", {"status": SUSPENDED})


async def activate(url: str, tenant: str) -> Standing:
    """Reactivate a suspended tenant; repeating it changes nothing."""
    return await _change(url, tenant, "tenants.activate", {"status": ACTIVE})


async def _change(url: str, tenant: str, action: str, changes: Mapping[str, str]) -> Standing:
    async with as_owner(url) as connection:
        tenant_id = await find_tenant(connection, tenant)
        one = Tenant
        change = sa.update(one).where(one.id == tenant_id, one.status != CLOSED).values(**changes)
        columns = (one.id, one.name, one.status, one.timezone, one.currency, one.billing_cycle)
        row = (await connection.execute(change.returning(*columns))).first()
        if row is None:
            raise NotDone("The tenant is closed.")
        await log_by_hand(connection, tenant_id, action, ("tenant", tenant_id), {**changes})
        return Standing(*row)
