"""How much a tenant has of what is limited, compared under the lock of the quota's row."""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.models.clusters import Cluster, NodePool
from cks.db.models.operations import IS_ORPHAN, OperationStep
from cks.db.models.tenants import Quota
from cks.domain.clusters import ClusterStatus
from cks.domain.quotas import CLUSTERS, NODES, check_quota

# A failed cluster holds nothing, so it counts for nothing; but what a creation left counts as a
# cluster until it is gone, also when the tenant has deleted that one.  Otherwise orders and
# cancels could fill a cloud that refuses to delete.
COUNTS = Cluster.status != ClusterStatus.FAILED
WHOLE = sa.select(sa.func.count()).select_from(Cluster).where(COUNTS).scalar_subquery()
LEFT = sa.select(sa.func.count(sa.distinct(OperationStep.operation_id))).where(IS_ORPHAN)
USED: dict[str, sa.Select[int]] = {
    CLUSTERS: sa.select(WHOLE + LEFT.scalar_subquery()),
    NODES: sa.select(sa.func.coalesce(sa.func.sum(NodePool.node_count), 0))
    .join(Cluster, Cluster.id == NodePool.cluster_id)
    .where(COUNTS),
}


async def spend(session: AsyncSession, requested: Mapping[str, int]) -> None:
    """Lock the quotas, always in one order, and raise ``QuotaExceeded`` at the first too many.

    A quota without a row allows nothing.
    """
    query = sa.select(Quota).where(Quota.quota.in_(requested)).order_by(Quota.quota)
    rows = {row.quota: row for row in await session.scalars(query.with_for_update())}
    for quota, more in requested.items():
        used = (await session.execute(USED[quota])).scalar_one()
        limit = rows[quota].maximum if quota in rows else 0
        check_quota(quota, limit=limit, used=used, requested=more)
