"""Queries about clusters and their node pools.  Each runs inside a tenant's transaction."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.access.decisions import Target, cluster_seen
from cks.db.models.clusters import Cluster, NodePool
from cks.db.models.operations import OperationClaim
from cks.db.pages import Cut, Page, fetch
from cks.domain.access.permissions import Visibility
from cks.domain.refusals import NotFound


@dataclass(frozen=True, slots=True)
class ClusterView:
    """A cluster with what a tenant sees beside it."""

    cluster: Cluster
    pools: Sequence[NodePool]
    operation_id: UUID | None


async def find(session: AsyncSession, wanted: UUID | str, *, locked: bool = False) -> Cluster:
    """Return a cluster by id, or by name; raise ``NotFound``.

    ``locked``: as it is now, also if it was read before, and so it stays in this transaction.
    """
    by = Cluster.id == wanted if isinstance(wanted, UUID) else Cluster.name == wanted
    query = sa.select(Cluster).where(by)
    if locked:
        query = query.with_for_update().execution_options(populate_existing=True)
    found: Cluster | None = await session.scalar(query)
    if found is None:
        raise NotFound(Target.CLUSTER.lost)
    return found


async def view(session: AsyncSession, wanted: UUID | str) -> ClusterView:
    """Return a cluster as a tenant sees it; raise ``NotFound``."""
    return (await _views(session, [await find(session, wanted)]))[0]


@dataclass(frozen=True, slots=True)
class ClusterFilter:
    """Which clusters a list shows; a tag is ``(key, value)``, or a key with any value."""

    name: str | None = None
    status: tuple[str, ...] = ()
    version: str | None = None
    tags: tuple[tuple[str, str | None], ...] = ()


async def list_views(
    session: AsyncSession, visibility: Visibility, wanted: ClusterFilter, cut: Cut
) -> Page[ClusterView]:
    """Return a page of the clusters that somebody sees, newest first."""
    query = sa.select(Cluster).where(cluster_seen(visibility))
    if wanted.name is not None:
        query = query.where(Cluster.name == wanted.name)
    if wanted.status:
        query = query.where(Cluster.status.in_(wanted.status))
    if wanted.version is not None:
        patches = Cluster.version.startswith(f"{wanted.version}.", autoescape=True)
        query = query.where((Cluster.version == wanted.version) | patches)
    for key, value in wanted.tags:
        has = sa.func.jsonb_exists(Cluster.tags, key)
        query = query.where(has if value is None else Cluster.tags.contains({key: value}))
    page = await fetch(session, query, Cluster.id, cut)
    return Page(await _views(session, page.rows), page.next_after)


async def _views(session: AsyncSession, clusters: Sequence[Cluster]) -> Sequence[ClusterView]:
    ids = [cluster.id for cluster in clusters]
    pools: dict[UUID, list[NodePool]] = defaultdict(list)
    members = sa.select(NodePool).where(NodePool.cluster_id.in_(ids)).order_by(NodePool.id)
    for pool in await session.scalars(members):
        pools[pool.cluster_id].append(pool)
    held = sa.select(OperationClaim.resource_id, OperationClaim.operation_id)
    rows = await session.execute(held.where(OperationClaim.resource_id.in_(ids)))
    holders = {row.resource_id: row.operation_id for row in rows}
    return [ClusterView(c, pools[c.id], holders.get(c.id)) for c in clusters]
