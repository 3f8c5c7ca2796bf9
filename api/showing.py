"""Rows as bodies: what a tenant sees of them."""

import hashlib
from datetime import datetime, timedelta
from decimal import Decimal

from aiohttp import web

from api.bodies import (
    ClusterBody,
    ConditionBody,
    CostBody,
    CreatorBody,
    NetworkingBody,
    NodePoolBody,
    OperationBody,
    PoolSummary,
    Taint,
)
from cks.db.clusters import ClusterView
from cks.db.models.clusters import Cluster, NodePool
from cks.db.models.rbac import RbacRole
from cks.db.views import OperationView
from cks.domain.clusters import ClusterStatus
from cks.domain.plans import expected_seconds
from cks.domain.prices import PoolSize, Tariff, charges_of_cluster, hourly_cost, money
from cks.domain.refusals import NoPrice, PreconditionFailed


def operation_body(view: OperationView, pace: float) -> OperationBody:
    """Return an operation as it was at its moment."""
    return OperationBody.model_validate(
        {
            **view.moment,
            "id": view.id,
            "type": view.type,
            "resource_type": view.resource_type,
            "resource_id": view.resource_id,
            "resource_name": view.resource_name,
            "cluster_id": view.cluster_id,
            "request": view.request,
            "estimated_completion_at": _estimate(view, pace),
            "created_at": view.created_at,
            "created_by": CreatorBody(id=view.actor_id, email=view.email, token_id=view.token_id),
            "workflow_id": view.workflow_id,
        }
    )


def _estimate(view: OperationView, pace: float) -> datetime | None:
    """Say when it should be done, going by the plan; ``None`` once it is, or turns back."""
    moment = view.moment
    if moment["phase"] not in ("waiting", "forward"):
        return None
    planned = expected_seconds((step["name"], step["weight"]) for step in moment["steps"])
    began = moment["started_at"]
    start = datetime.fromisoformat(began) if began else view.created_at
    return start + timedelta(seconds=planned / pace)


def cluster_body(view: ClusterView, tariff: Tariff) -> ClusterBody:
    cluster = view.cluster
    return ClusterBody(
        id=cluster.id,
        name=cluster.name,
        status=cluster.status.value,
        version=cluster.version,
        generation=cluster.generation,
        observed_generation=cluster.observed_generation,
        endpoint=cluster.endpoint,
        networking=NetworkingBody.model_validate(cluster.networking),
        tags=cluster.tags or {},
        current_operation_id=view.operation_id,
        conditions=_conditions(cluster),
        node_pools=[_summary(pool) for pool in view.pools],
        cost=_cost(view, tariff),
        created_by=cluster.created_by,
        created_at=cluster.created_at,
        updated_at=cluster.updated_at,
        etag=etag_of(cluster),
    )


def _cost(view: ClusterView, tariff: Tariff) -> CostBody | None:
    """Say what a cluster costs now; one that failed holds nothing that is billed."""
    pools = [_size(pool) for pool in view.pools]
    failed = view.cluster.status is ClusterStatus.FAILED
    try:
        hourly = Decimal(0) if failed else hourly_cost(charges_of_cluster(pools, tariff))
    except NoPrice:
        return None
    return CostBody(hourly=money(hourly), currency=tariff.currency)


def _size(pool: NodePool) -> PoolSize:
    return PoolSize(pool.name, pool.instance_type, pool.node_count, pool.disk_size)


def _summary(pool: NodePool) -> PoolSummary:
    return PoolSummary(
        id=pool.id,
        name=pool.name,
        status=pool.status.value,
        version=pool.version,
        node_count=pool.node_count,
        ready_count=pool.ready_count,
    )


def node_pool_body(pool: NodePool) -> NodePoolBody:
    return NodePoolBody(
        id=pool.id,
        cluster_id=pool.cluster_id,
        name=pool.name,
        status=pool.status.value,
        version=pool.version,
        node_count=pool.node_count,
        ready_count=pool.ready_count,
        min_nodes=pool.min_nodes,
        max_nodes=pool.max_nodes,
        instance_type=pool.instance_type,
        disk_size=pool.disk_size,
        labels=pool.labels or {},
        taints=[Taint.model_validate(taint) for taint in pool.taints or []],
        generation=pool.generation,
        observed_generation=pool.observed_generation,
        conditions=_conditions(pool),
        etag=etag_of(pool),
    )


def _conditions(row: Cluster | NodePool) -> list[ConditionBody]:
    return [ConditionBody.model_validate(condition) for condition in row.conditions]


def check_match(request: web.Request, row: Cluster | RbacRole) -> None:
    """Raise ``PreconditionFailed`` unless the row is in the state that ``If-Match`` names."""
    if request.headers.get("If-Match") not in (None, "*", etag_of(row)):
        raise PreconditionFailed("It is not in the state that If-Match names.")


def etag_of(row: Cluster | NodePool | RbacRole) -> str:
    """Return the entity tag: it changes whenever the row does."""
    state = f"{row.id} {row.generation} {row.updated_at.isoformat()}"
    return f'"{hashlib.sha256(state.encode()).hexdigest()[:32]}"'
