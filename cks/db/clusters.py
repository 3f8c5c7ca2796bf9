"""Queries about clusters and their node pools.  Each runs inside a tenant's transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from cks.db import claims, endings, operations, quotas
from cks.db.models.clusters import Cluster, NodePool
from cks.db.models.operations import Operation, OperationClaim
from cks.db.operations import Subject
from cks.db.pages import Cut, Page, fetch
from cks.domain.access import Caller
from cks.domain.clusters import (
    ClusterOrder,
    ClusterStatus,
    ClusterWish,
    OrderedStep,
    PoolOrder,
    PoolWish,
)
from cks.domain.deadlines import Allowance
from cks.domain.plans import PlannedStep, plan_create
from cks.domain.quotas import CLUSTERS, NODES
from cks.domain.refusals import NameTaken, NotBuiltYet, NotFound

CREATE, DELETE = "cluster.create", "cluster.delete"


@dataclass(frozen=True, slots=True)
class ClusterView:
    """A cluster with what a tenant sees beside it."""

    cluster: Cluster
    pools: Sequence[NodePool]
    operation_id: UUID | None


async def order(
    session: AsyncSession, caller: Caller, wish: ClusterWish, allowance: Allowance
) -> Operation:
    """Record a new cluster and the operation that will build it, both pending.

    Raise ``QuotaExceeded``, or ``NameTaken`` where the tenant has a cluster of that name.
    """
    await quotas.spend(session, {CLUSTERS: 1, NODES: sum(pool.node_count for pool in wish.pools)})
    cluster = _new_cluster(caller, wish)
    pools = [_new_pool(cluster, pool) for pool in wish.pools]
    session.add(cluster)
    try:
        await session.flush()
    except IntegrityError as error:
        if "clusters_name_per_tenant" in str(error.orig):
            raise NameTaken(f"There is a cluster named {wish.name} already.") from error
        raise
    session.add_all(pools)
    await session.flush()
    operation = await operations.accept(
        session, caller, CREATE, _subject(cluster), _request(wish, pools)
    )
    await claims.hold_alone(session, operation, cluster.id)
    await operations.plan(session, operation, _plan(pools), allowance)
    return operation


def _plan(pools: Sequence[NodePool]) -> tuple[PlannedStep, ...]:
    return plan_create([(pool.id, pool.name, pool.node_count) for pool in pools])


def _subject(cluster: Cluster) -> Subject:
    return Subject("cluster", cluster.id, cluster.name, cluster.id)


def _new_cluster(caller: Caller, wish: ClusterWish) -> Cluster:
    return Cluster(
        id=uuid7(),
        tenant_id=caller.tenant_id,
        name=wish.name,
        status=ClusterStatus.PENDING,
        version=wish.version,
        networking={"pod_cidr": wish.pod_cidr, "service_cidr": wish.service_cidr},
        tags=dict(wish.tags),
        created_by=caller.user_id,
    )


def _new_pool(cluster: Cluster, wish: PoolWish) -> NodePool:
    return NodePool(
        id=uuid7(),
        tenant_id=cluster.tenant_id,
        cluster_id=cluster.id,
        name=wish.name,
        node_count=wish.node_count,
        min_nodes=wish.min_nodes,
        max_nodes=wish.max_nodes,
        instance_type=wish.instance_type,
        disk_size=wish.disk_size,
        labels=dict(wish.labels),
        taints=[{"key": k, "value": v, "effect": e} for k, v, e in wish.taints],
        version=cluster.version,
    )


def _request(wish: ClusterWish, pools: Sequence[NodePool]) -> Mapping[str, object]:
    """Return what was asked, with every choice made: all that a run needs."""
    return {
        "name": wish.name,
        "version": wish.version,
        "networking": {"pod_cidr": wish.pod_cidr, "service_cidr": wish.service_cidr},
        "tags": dict(wish.tags),
        "node_pools": [
            {
                "id": str(pool.id),
                "name": pool.name,
                "node_count": pool.node_count,
                "min_nodes": pool.min_nodes,
                "max_nodes": pool.max_nodes,
                "instance_type": pool.instance_type,
                "disk_size": pool.disk_size,
                "labels": pool.labels,
                "taints": pool.taints,
            }
            for pool in pools
        ],
        "on_failure": "rollback",
    }


def order_of(operation: Operation) -> ClusterOrder:
    """Read the run's input from the outbox."""
    request = cast(dict[str, Any], operation.request)
    pools = tuple(_pool_order(asked) for asked in request["node_pools"])
    plan = plan_create([(pool.pool_id, pool.name, pool.node_count) for pool in pools])
    return ClusterOrder(
        operation=operations.ref_of(operation),
        cluster_id=operation.resource_id,
        version=request["version"],
        pod_cidr=request["networking"]["pod_cidr"],
        service_cidr=request["networking"]["service_cidr"],
        pools=pools,
        steps=tuple(OrderedStep(s.name, s.title, s.limit_seconds) for s in plan),
    )


def _pool_order(asked: Mapping[str, Any]) -> PoolOrder:
    return PoolOrder(
        pool_id=UUID(asked["id"]),
        name=asked["name"],
        node_count=asked["node_count"],
        instance_type=asked["instance_type"],
        disk_size=asked["disk_size"],
        labels=tuple(sorted(asked["labels"].items())),
        taints=tuple((t["key"], t["value"], t["effect"]) for t in asked["taints"]),
    )


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
        raise NotFound("There is no such cluster.")
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


async def list_views(session: AsyncSession, wanted: ClusterFilter, cut: Cut) -> Page[ClusterView]:
    """Return a page of clusters, newest first."""
    query = sa.select(Cluster)
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


async def find_pool(session: AsyncSession, cluster: Cluster, wanted: UUID | str) -> NodePool:
    """Return a pool of the cluster by id, or by name; raise ``NotFound``."""
    by = NodePool.id == wanted if isinstance(wanted, UUID) else NodePool.name == wanted
    query = sa.select(NodePool).where(NodePool.cluster_id == cluster.id, by)
    found: NodePool | None = await session.scalar(query)
    if found is None:
        raise NotFound("There is no such node pool.")
    return found


async def forget(session: AsyncSession, caller: Caller, wanted: UUID | str) -> Operation:
    """Delete a failed cluster: an operation that completes at once.

    It holds nothing but, perhaps, orphans of its creation; their sweep goes on without it.
    Raise ``OperationConflict`` while another operation holds it, and ``NotBuiltYet`` for a
    cluster that holds machines.
    """
    cluster = await find(session, wanted)
    operation = await operations.accept(session, caller, DELETE, _subject(cluster), {})
    await claims.hold_alone(session, operation, cluster.id)
    cluster = await find(session, cluster.id, locked=True)
    if cluster.status is not ClusterStatus.FAILED:
        raise NotBuiltYet("Only a failed cluster can be deleted yet.")
    await session.delete(cluster)
    await session.flush()
    await endings.conclude(session, operation)
    return operation
