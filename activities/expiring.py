"""Lets old records go, a page of tenants at a time."""

import logging
from uuid import UUID

from temporalio import activity

from activities.steps import beating
from cks import logs
from cks.db import retention
from cks.db.connections import is_away
from cks.db.dispatch import Dispatch
from cks.db.session import Database
from cks.domain.retention import ExpiryOrder, Retention

log = logging.getLogger("cks.retention")


class Expiring:
    """Run twice, or side by side, it deletes the same."""

    def __init__(self, database: Database, dispatch: Dispatch, kept: Retention) -> None:
        self._database = database
        self._dispatch = dispatch
        self._kept = kept

    @activity.defn
    async def expire_page(self, order: ExpiryOrder) -> UUID | None:
        """Expire a page of tenants, and return the last of them; ``None`` if no more follow.

        One tenant's trouble is logged and is no other's; the next hour meets it again.
        """
        async with beating():
            found = await self._dispatch.find_tenants(order.after, order.tenants)
            for tenant_id in found:
                await self._expire(tenant_id)
        return found[-1] if len(found) == order.tenants else None

    async def _expire(self, tenant_id: UUID) -> None:
        logs.bind(tenant_id=tenant_id)
        try:
            deleted = await retention.expire(self._database, tenant_id, self._kept)
        except Exception as error:
            if is_away(error):
                raise
            log.exception("old records could not be deleted")
        else:
            if any(deleted.values()):
                said = ", ".join(f"{count} {kind}" for kind, count in deleted.items())
                log.info("deleted: %s", said)
