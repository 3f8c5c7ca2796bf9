"""Queries about clusters and their node pools.  Each runs inside a tenant's transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from cks.db.access.decisions import Target, cluster_seen
from cks.db.models.clusters import Cluster, NodePool
from cks.db.models.operations import OperationClaim
from cks.db.operations import operations, settling
from cks.db.operations.accepting import Asked, Subject, accept
from cks.db.operations.views import OperationView, view_of
from cks.db.pages import Cut, Page, fetch
from cks.db.tenants import quotas
from cks.domain.access.permissions import Caller, Visibility
from cks.domain.clusters.clusters import (
    ClusterOrder,
    ClusterStatus,
    ClusterWish,
    OrderedStep,
    PoolOrder,
)
from cks.domain.operations.deadlines import Allowance
from cks.domain.operations.plans import PlannedStep, plan_create
from cks.domain.operations.state import OperationState
from cks.domain.refusals import NameTaken, NotBuiltYet, NotFound
from cks.domain.tenants.quotas import CLUSTERS, NODES

CREATE, DELETE = "cluster.create", "cluster.delete"


@dataclass(frozen=True, slots=True)
class ClusterView:
    """A cluster with what a tenant sees beside it."""

    cluster: Cluster
    pools: Sequence[NodePool]
    operation_id: UUID | None


ROWS = """
cluster AS (
    INSERT INTO clusters (id, tenant_id, name, status, version, networking, tags, created_by)
    SELECT $5::uuid, $2::uuid, $6::varchar, 'pending', r ->> 'version', r -> 'networking',
           r -> 'tags', $10::uuid
      FROM (VALUES ($8::jsonb)) AS asked (r)
), pools AS (
    INSERT INTO node_pools (
        id, tenant_id, cluster_id, name, node_count, min_nodes, max_nodes, instance_type,
        disk_size, labels, taints, version)
    SELECT p.id, $2::uuid, $5::uuid, p.name, p.node_count, p.min_nodes, p.max_nodes,
           p.instance_type, p.disk_size, p.labels, p.taints, $8::jsonb ->> 'version'
      FROM jsonb_to_recordset($8::jsonb -> 'node_pools') AS p (
        id uuid, name text, node_count int, min_nodes int, max_nodes int, instance_type text,
        disk_size int, labels jsonb, taints jsonb)
),
"""


async def order(
    session: AsyncSession, caller: Caller, wish: ClusterWish, allowance: Allowance, at: datetime
) -> OperationView:
    """Record a new cluster and the operation that will build it, both pending.

    ``at`` is the transaction's instant.  Raise ``QuotaExceeded``, or ``NameTaken`` where the
    tenant has a cluster of that name.
    """
    await quotas.spend(session, {CLUSTERS: 1, NODES: sum(pool.node_count for pool in wish.pools)})
    cluster_id, request = uuid7(), _request(wish)
    subject = Subject("cluster", cluster_id, wish.name, cluster_id)
    asked = Asked(CREATE, subject, request, _plan_of(request), allowance, ROWS)
    try:
        return await accept(session, caller, asked, at)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "clusters_name_per_tenant":
            raise NameTaken(f"There is a cluster named {wish.name} already.") from error
        raise


def _request(wish: ClusterWish) -> dict[str, Any]:
    """Return what was asked, with every choice made: all that a run needs, pools' ids included."""
    return {
        "name": wish.name,
        "version": wish.version,
        "networking": {"pod_cidr": wish.pod_cidr, "service_cidr": wish.service_cidr},
        "tags": dict(wish.tags),
        "node_pools": [
            {
                "id": str(uuid7()),
                "name": pool.name,
                "node_count": pool.node_count,
                "min_nodes": pool.min_nodes,
                "max_nodes": pool.max_nodes,
                "instance_type": pool.instance_type,
                "disk_size": pool.disk_size,
                "labels": dict(pool.labels),
                "taints": [{"key": k, "value": v, "effect": e} for k, v, e in pool.taints],
            }
            for pool in wish.pools
        ],
        "on_failure": "rollback",
    }


def _plan_of(request: Mapping[str, Any]) -> tuple[PlannedStep, ...]:
    pools = request["node_pools"]
    return plan_create([(UUID(pool["id"]), pool["name"], pool["node_count"]) for pool in pools])


def order_of(operation: OperationState) -> ClusterOrder:
    """Read the run's input from the outbox."""
    request = operation.request
    pools = tuple(_pool_order(asked) for asked in request["node_pools"])
    return ClusterOrder(
        operation=operation.ref,
        cluster_id=operation.resource_id,
        version=request["version"],
        pod_cidr=request["networking"]["pod_cidr"],
        service_cidr=request["networking"]["service_cidr"],
        pools=pools,
        steps=tuple(OrderedStep(s.name, s.title, s.limit_seconds) for s in _plan_of(request)),
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


async def forget(
    session: AsyncSession, caller: Caller, wanted: UUID | str, at: datetime
) -> OperationView:
    """Delete a failed cluster: an operation that completes at once.

    It holds nothing but, perhaps, orphans of its creation; their sweep goes on without it.
    Raise ``OperationConflict`` while another operation holds it, and ``NotBuiltYet`` for a
    cluster that holds machines.
    """
    cluster = await find(session, wanted)
    subject = Subject("cluster", cluster.id, cluster.name, cluster.id)
    accepted = await accept(session, caller, Asked(DELETE, subject, {}), at)
    cluster = await find(session, cluster.id, locked=True)
    if cluster.status is not ClusterStatus.FAILED:
        raise NotBuiltYet("Only a failed cluster can be deleted yet.")
    await session.delete(cluster)
    await session.flush()
    operation = await operations.lock(session, accepted.id)
    await settling.conclude(session, operation)
    return await view_of(session, operation)
