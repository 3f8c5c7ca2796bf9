"""How operations end: the last transaction of each, whatever its type."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cks.db import activity_log
from cks.db.operations import claims, events, operations
from cks.db.operations.effects import Effects
from cks.domain.operations import moves, steps
from cks.domain.operations.inputs import HOLD
from cks.domain.operations.lifecycle import Reason
from cks.domain.operations.state import OperationState


async def settle(session: AsyncSession, operation: OperationState, effects: Effects) -> None:
    """End an operation: its status, its claims, its resource, its last event and log line.

    What was begun and not undone is named an orphan; the reconciler has it removed.
    """
    moves.end(operation)
    await claims.release(session, operation.id)
    write = effects.complete if operation.ending is None else effects.fail
    await write(session, operation)
    await events.record(session, operation)
    await activity_log.log_outcome(session, operation)


async def hold(
    session: AsyncSession, operation: OperationState, effects: Effects, reason: Reason
) -> bool:
    """End an operation that failed and keep all that it made, if that was asked for.

    It holds no claims any more.  Return whether it is held; if not, nothing was changed.
    """
    if effects.hold is None or operation.request.get("on_failure") != HOLD:
        return False
    moves.hold(operation, reason)
    await claims.release(session, operation.id)
    await effects.hold(session, operation)
    await events.record(session, operation)
    await activity_log.log_outcome(session, operation)
    return True


async def note_swept(session: AsyncSession, operation_id: UUID, name: str) -> None:
    """Record, once, that an orphan is gone; the removal of the last one is logged."""
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
