"""What activities write about a cluster while it is being built."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.models.clusters import Cluster, Node, NodePool
from cks.domain import conditions
from cks.domain.clusters import ClusterStatus, SeenNode


async def begin_create(session: AsyncSession, cluster_id: UUID) -> None:
    """A run has taken the order: the cluster and its pools are being made."""
    cluster = await session.get_one(Cluster, cluster_id, with_for_update=True)
    now = (await session.execute(sa.select(sa.func.now()))).scalar_one()
    cluster.status = ClusterStatus.PROVISIONING
    cluster.conditions = [conditions.ready("False", "Provisioning", "", now, cluster.generation)]
    pools = sa.update(NodePool).where(NodePool.cluster_id == cluster_id)
    await session.execute(pools.values(status=ClusterStatus.PROVISIONING))


async def set_endpoint(session: AsyncSession, cluster_id: UUID, endpoint: str | None) -> None:
    """The control plane answers under this https URL."""
    mine = sa.update(Cluster).where(Cluster.id == cluster_id)
    await session.execute(mine.values(endpoint=endpoint))


async def show_nodes(session: AsyncSession, pool_id: UUID, seen: Sequence[SeenNode]) -> None:
    """Make a pool's node rows, and its count of ready ones, what the provider showed."""
    pool = await session.get_one(NodePool, pool_id, with_for_update=True)
    gone = sa.delete(Node).where(Node.node_pool_id == pool_id)
    await session.execute(gone.where(Node.id.not_in([node.id for node in seen])))
    if seen:
        write = insert(Node).values([_row(pool, node) for node in seen])
        changed: dict[str, object] = {"updated_at": sa.func.now()}
        changed |= {name: write.excluded[name] for name in ("name", "status", "version")}
        await session.execute(write.on_conflict_do_update(index_elements=["id"], set_=changed))
    pool.ready_count = sum(node.status == "ready" for node in seen)


def _row(pool: NodePool, node: SeenNode) -> dict[str, object]:
    return {
        "id": node.id,
        "tenant_id": pool.tenant_id,
        "node_pool_id": pool.id,
        "name": node.name,
        "status": node.status,
        "version": node.version,
    }
