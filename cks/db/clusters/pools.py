"""Queries about node pools.  Each runs inside a tenant's transaction."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.models.clusters import Cluster, NodePool
from cks.db.pages import Cut, Page, fetch
from cks.domain.clusters.pools import PoolSpec, Taint
from cks.domain.refusals import NotFound


async def list_pools(
    session: AsyncSession,
    cluster: Cluster,
    cut: Cut,
    name: str | None = None,
    status: tuple[str, ...] = (),
) -> Page[NodePool]:
    """Return a page of a cluster's node pools, newest first."""
    query = sa.select(NodePool).where(NodePool.cluster_id == cluster.id)
    if name is not None:
        query = query.where(NodePool.name == name)
    if status:
        query = query.where(NodePool.status.in_(status))
    return await fetch(session, query, NodePool.id, cut)


async def find_pool(
    session: AsyncSession, cluster: Cluster, wanted: UUID | str, *, locked: bool = False
) -> NodePool:
    """Return a pool of the cluster by id, or by name; raise ``NotFound``.

    ``locked``: as it is now, also if it was read before, and so it stays in this transaction.
    """
    by = NodePool.id == wanted if isinstance(wanted, UUID) else NodePool.name == wanted
    query = sa.select(NodePool).where(NodePool.cluster_id == cluster.id, by)
    if locked:
        query = query.with_for_update().execution_options(populate_existing=True)
    found: NodePool | None = await session.scalar(query)
    if found is None:
        raise NotFound("The node pool does not exist.")
    return found


def is_unconfirmed(pool: NodePool) -> bool:
    """Say whether the nodes may be other than the row says: a change could not be taken back."""
    return any(condition["status"] == "Unknown" for condition in pool.conditions)


def spec_of(pool: NodePool) -> PoolSpec:
    """Return a pool as it is."""
    return PoolSpec(
        id=pool.id,
        name=pool.name,
        node_count=pool.node_count,
        min_nodes=pool.min_nodes,
        max_nodes=pool.max_nodes,
        instance_type=pool.instance_type,
        disk_size=pool.disk_size,
        labels=pool.labels or {},
        taints=tuple(Taint(**taint) for taint in pool.taints or ()),
    )
