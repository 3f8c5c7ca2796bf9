"""How much of its quotas a tenant uses, compared under the lock of the quota's row.

A failed cluster holds nothing and counts for nothing; but a creation with orphans counts as a
cluster until they are gone, even if the tenant has deleted that cluster.  Otherwise creating and
cancelling could fill a cloud that refuses to delete.
"""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.session import driver
from cks.domain.tenants.quotas import check_quota

LOCK = "SELECT quota, maximum, used FROM lock_quotas($1)"


async def spend(session: AsyncSession, requested: Mapping[str, int]) -> None:
    """Lock the quotas, always in one order; raise ``QuotaExceeded`` for the first exceeded.

    A quota without a row allows nothing.
    """
    rows = await driver(session).fetch(LOCK, [*requested])
    known = {quota: (maximum, used) for quota, maximum, used in rows}
    for quota, more in requested.items():
        limit, used = known.get(quota, (0, 0))
        check_quota(quota, limit=limit, used=used, requested=more)
