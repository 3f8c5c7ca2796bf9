"""How operations end: the last transaction of each, and the tenant's wish for one."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db import activity, events, operations, steps
from cks.db.models.clusters import Cluster, Node, NodePool
from cks.db.models.operations import Operation
from cks.domain import conditions
from cks.domain.clusters import ClusterStatus
from cks.domain.failures import said_at_the_end
from cks.domain.operations import CANCELLED, LIVE, OperationStatus, check_cancel


async def conclude(session: AsyncSession, operation: Operation) -> None:
    """End an operation: its status, its claims, its resource, its last event and log line.

    What was begun and not undone is named an orphan; the reconciler has it removed.
    """
    if operation.ending is not None:
        await _leave(session, operation)
    await operations.settle(session, operation)
    if operation.type == "cluster.create":
        await _end_create(session, operation)
    await events.record(session, operation)
    await activity.log_outcome(session, operation)


async def _leave(session: AsyncSession, operation: Operation) -> None:
    """Tell what is left of an operation that turned back.

    What has no undo of its own goes with what it stands on: it is undone when all is.
    """
    plan = await events.steps_of(session, operation.id)
    left = [step for step in plan if steps.may_be_left(step)]
    for step in left:
        await steps.orphan(session, step)
    if not left:
        await steps.undo_all(session, plan)
    operation.error = said_at_the_end(operation.error or "", orphans=bool(left))


async def note_swept(session: AsyncSession, operation_id: UUID, name: str) -> None:
    """Note that an orphan is gone, once, and tell it; the last one's end is a line in the log."""
    operation = await operations.lock(session, operation_id)
    step = await steps.find(session, operation_id, name)
    if step.undone_at is not None:
        return
    await steps.undo(session, step)
    plan = await events.steps_of(session, operation_id)
    gone = not steps.orphans_among(plan)
    if gone:
        await steps.undo_all(session, plan)
    await events.record(session, operation)
    if gone:
        await activity.log_upkeep(session, operation, "operations.orphans_swept")


async def request_cancel(session: AsyncSession, operation_id: UUID) -> Operation:
    """Record that the tenant wants it to end, once.  Raise ``TooLate`` if it has.

    What no run has taken yet has done nothing, so it ends here and now.
    """
    operation = await operations.lock(session, operation_id)
    check_cancel(operation.status)
    if operation.cancel_requested_at is not None or operation.status not in LIVE:
        return operation
    operation.cancel_requested_at = await operations.instant(session)
    if operation.status is OperationStatus.PENDING:
        await operations.turn_back(session, operation, CANCELLED)
        await conclude(session, operation)
    else:
        await events.record(session, operation)
    return operation


async def _end_create(session: AsyncSession, operation: Operation) -> None:
    """Say of the cluster and its pools what became of them: running, or failed and empty."""
    cluster = await session.get_one(Cluster, operation.resource_id, with_for_update=True)
    pools = sa.select(NodePool.id).where(NodePool.cluster_id == cluster.id)
    completed = operation.ending is None
    cluster.status = ClusterStatus.RUNNING if completed else ClusterStatus.FAILED
    cluster.conditions = [_ready(operation, cluster)]
    values: dict[str, object] = {"status": cluster.status}
    if completed:
        cluster.observed_generation = cluster.generation
        values["observed_generation"] = NodePool.generation
    else:
        cluster.endpoint = None
        values["ready_count"] = 0
        await session.execute(sa.delete(Node).where(Node.node_pool_id.in_(pools)))
    await session.execute(
        sa.update(NodePool).where(NodePool.cluster_id == cluster.id).values(values)
    )


def _ready(operation: Operation, cluster: Cluster) -> dict[str, object]:
    at = operation.completed_at or operation.created_at
    if operation.ending is None:
        return conditions.ready("True", "Provisioned", "", at, cluster.generation)
    reason = f"Create{operation.ending.capitalize()}"
    return conditions.ready("False", reason, operation.error or "", at, cluster.generation)
