"""Rows as bodies: what a tenant sees of them."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

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
from cks.db import events, operations
from cks.db.clusters import ClusterView
from cks.db.models.clusters import Cluster, NodePool
from cks.db.models.operations import Operation
from cks.db.session import Session
from cks.domain.clusters import ClusterStatus
from cks.domain.operations import Moment
from cks.domain.plans import expected_seconds
from cks.domain.prices import PoolSize, Tariff, charges_of_cluster, hourly_cost, money
from cks.domain.refusals import NoPrice


async def operation_body(session: Session, operation: Operation, pace: float) -> OperationBody:
    """Return an operation as it is now."""
    return (await operation_bodies(session, [operation], pace))[0]


async def operation_bodies(
    session: Session, found: Sequence[Operation], pace: float
) -> list[OperationBody]:
    """Return operations as they are now, with three queries however many they are."""
    emails = await creators_of(session, found)
    steps = await events.steps_of_many(session, [operation.id for operation in found])
    return [
        body_at(one, events.moment_of(one, steps.get(one.id, [])), emails, pace) for one in found
    ]


async def creators_of(session: Session, found: Sequence[Operation]) -> dict[UUID, str]:
    """Return the addresses of those who asked for operations, as far as they still exist."""
    return await operations.emails_of(session, {one.created_by for one in found if one.created_by})


def body_at(
    operation: Operation, moment: Moment, emails: dict[UUID, str], pace: float
) -> OperationBody:
    """Return an operation as it was at a moment."""
    actor = operation.actor_id or UUID(int=0)
    return OperationBody.model_validate(
        {
            **moment,
            "id": operation.id,
            "type": operation.type,
            "resource_type": operation.resource_type,
            "resource_id": operation.resource_id,
            "resource_name": operation.resource_name,
            "cluster_id": operation.cluster_id,
            "request": operation.request or {},
            "estimated_completion_at": _estimate(operation, moment, pace),
            "created_at": operation.created_at,
            "created_by": CreatorBody(
                id=actor, email=emails.get(actor), token_id=operation.token_id
            ),
            "workflow_id": operation.workflow_id or "",
        }
    )


def _estimate(operation: Operation, moment: Moment, pace: float) -> datetime | None:
    """Say when it should be done, going by the plan; ``None`` once it is, or turns back."""
    if moment["phase"] not in ("waiting", "forward"):
        return None
    planned = expected_seconds((step["name"], step["weight"]) for step in moment["steps"])
    began = moment["started_at"]
    start = datetime.fromisoformat(began) if began else operation.created_at
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


def etag_of(row: Cluster | NodePool) -> str:
    """Return the entity tag: it changes whenever the row does."""
    state = f"{row.id} {row.generation} {row.updated_at.isoformat()}"
    return f'"{hashlib.sha256(state.encode()).hexdigest()[:32]}"'
