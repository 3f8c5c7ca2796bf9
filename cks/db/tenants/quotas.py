"""How much a tenant has of what is limited, compared under the lock of the quota's row.

A failed cluster holds nothing, so it counts for nothing; but what a creation left counts as a
cluster until it is gone, also when the tenant has deleted that one.  Otherwise orders and
cancels could fill a cloud that refuses to delete.
"""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.session import driver
from cks.domain.tenants.quotas import check_quota

LOCK = "SELECT quota, maximum, used FROM lock_quotas($1)"


async def spend(session: AsyncSession, requested: Mapping[str, int]) -> None:
    """Lock the quotas, always in one order, and raise ``QuotaExceeded`` at the first too many.

    A quota without a row allows nothing.
    """
    rows = await driver(session).fetch(LOCK, [*requested])
    known = {quota: (maximum, used) for quota, maximum, used in rows}
    for quota, more in requested.items():
        limit, used = known.get(quota, (0, 0))
        check_quota(quota, limit=limit, used=used, requested=more)
