"""How operations end: the last transaction of each, and the tenant's wish for one."""

import json
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cks.db import activity_log
from cks.db.operations import events, operations
from cks.db.session import driver
from cks.domain.clusters import conditions
from cks.domain.operations import steps
from cks.domain.operations.failures import said_at_the_end
from cks.domain.operations.lifecycle import CANCELLED, LIVE, OperationStatus, check_cancel
from cks.domain.operations.state import OperationState

COMPLETE = """
WITH cluster AS (
    UPDATE clusters SET status = 'running', observed_generation = generation, updated_at = now(),
           conditions = jsonb_build_array(
             $2::jsonb || jsonb_build_object('observed_generation', generation))
     WHERE id = $1
)
UPDATE node_pools SET status = 'running', observed_generation = generation, updated_at = now()
 WHERE cluster_id = $1
"""
FAIL = """
WITH cluster AS (
    UPDATE clusters SET status = 'failed', endpoint = NULL, updated_at = now(),
           conditions = jsonb_build_array(
             $2::jsonb || jsonb_build_object('observed_generation', generation))
     WHERE id = $1
), nodes AS (
    DELETE FROM nodes WHERE node_pool_id IN (SELECT id FROM node_pools WHERE cluster_id = $1)
)
UPDATE node_pools SET status = 'failed', ready_count = 0, updated_at = now() WHERE cluster_id = $1
"""


async def conclude(session: AsyncSession, operation: OperationState) -> None:
    """End an operation: its status, its claims, its resource, its last event and log line.

    What was begun and not undone is named an orphan; the reconciler has it removed.
    """
    if operation.ending is not None:
        _leave(operation)
    await operations.settle(session, operation)
    if operation.type == "cluster.create":
        await _end_create(session, operation)
    await events.record(session, operation)
    await activity_log.log_outcome(session, operation)


def _leave(operation: OperationState) -> None:
    """Tell what is left of an operation that turned back.

    What has no undo of its own goes with what it stands on: it is undone when all is.
    """
    left = [step for step in operation.steps if steps.may_be_left(step)]
    for step in left:
        steps.orphan(step, operation.now)
    if not left:
        steps.undo_all(operation.steps, operation.now)
    operation.error = said_at_the_end(operation.error or "", orphans=bool(left))


async def note_swept(session: AsyncSession, operation_id: UUID, name: str) -> None:
    """Note that an orphan is gone, once, and tell it; the last one's end is a line in the log."""
    operation = await operations.lock(session, operation_id)
    step = operation.step(name)
    if step.undone_at is not None:
        return
    steps.undo(step, operation.now)
    gone = not steps.orphans_among(operation.steps)
    if gone:
        steps.undo_all(operation.steps, operation.now)
    await events.record(session, operation)
    if gone:
        await activity_log.log_upkeep(session, operation, "operations.orphans_swept")


async def request_cancel(session: AsyncSession, operation_id: UUID) -> OperationState:
    """Record that the tenant wants it to end, once.  Raise ``TooLate`` if it has.

    What no run has taken yet has done nothing, so it ends here and now.
    """
    operation = await operations.lock(session, operation_id)
    check_cancel(operation.status)
    if operation.cancel_requested_at is not None or operation.status not in LIVE:
        return operation
    operation.cancel_requested_at = operation.now
    if operation.status is OperationStatus.PENDING:
        await operations.turn_back(session, operation, CANCELLED)
        await conclude(session, operation)
    else:
        await events.record(session, operation)
    return operation


async def _end_create(session: AsyncSession, operation: OperationState) -> None:
    """Say of the cluster and its pools what became of them: running, or failed and empty."""
    condition = json.dumps(_ready(operation))
    statement = COMPLETE if operation.ending is None else FAIL
    await driver(session).execute(statement, operation.resource_id, condition)


def _ready(operation: OperationState) -> dict[str, object]:
    if operation.ending is None:
        return conditions.ready("True", "Provisioned", "", operation.now, 0)
    reason = f"Create{operation.ending.capitalize()}"
    return conditions.ready("False", reason, operation.error or "", operation.now, 0)
