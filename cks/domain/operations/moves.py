"""Moves of an operation as a whole.  It is locked, and the caller records it."""

from datetime import timedelta

from cks.domain.operations import steps
from cks.domain.operations.failures import said_at_the_end
from cks.domain.operations.lifecycle import Ending, OperationStatus, Reason
from cks.domain.operations.state import OperationState

HELD_FOR = timedelta(hours=1)
"""The contract's default."""


def take(operation: OperationState) -> None:
    """Begin: a run has taken the operation and will act."""
    operation.status = OperationStatus.RUNNING
    operation.started_at = operation.now


def turn_back(operation: OperationState, reason: Reason) -> None:
    """Give up the way forward.

    One that waits behind another has no deadlines yet, and needs none to end.
    """
    operation.ending = reason.ending
    operation.error = reason.message
    if operation.deadline_at is not None:
        nearer = operation.deadlines.turned_back(operation.now)
        operation.forward_until, operation.deadline_at = nearer.forward_until, nearer.deadline_at
    if reason.ending is Ending.FAILED:
        operation.failure = _failure(reason)


def _failure(reason: Reason) -> dict[str, object]:
    return {
        "code": reason.code,
        "fault": reason.fault,
        "retryable": reason.retryable,
        "details": {},
    }


def hold(operation: OperationState, reason: Reason) -> None:
    """End as failed and keep all that was made, for an hour.

    It has not turned back, which would be final: from here it can still go on.
    """
    operation.error, operation.failure = reason.message, _failure(reason)
    operation.held_until = operation.now + HELD_FOR
    operation.status, operation.completed_at = OperationStatus.FAILED, operation.now


def end(operation: OperationState) -> None:
    """Give the operation its terminal status, and name what it leaves.

    Whoever started its run may not have lived to write that down: from now on it is looked for.
    """
    if operation.ending is None:
        operation.progress = 100
    else:
        _leave(operation)
    # Else the relay would never look for a run that was started and not marked.
    operation.dispatched_at = operation.dispatched_at or operation.now
    operation.status = OperationStatus(operation.ending or OperationStatus.COMPLETED)
    operation.completed_at = operation.now


def _leave(operation: OperationState) -> None:
    """Tell what is left of an operation that turned back.

    What has no undo of its own goes with what it stands on: it is undone when all is.  A step
    whose former state could not be brought back in time has failed, and nobody sweeps it.
    """
    left = [step for step in operation.steps if steps.may_be_left(step)]
    changed = [step for step in operation.steps if steps.may_be_changed(step)]
    for step in left:
        steps.orphan(step, operation.now)
    for step in changed:
        steps.fail(step)
    if not left and not changed:
        steps.undo_all(operation.steps, operation.now)
    said = operation.error or ""
    operation.error = said_at_the_end(said, orphans=bool(left), changed=bool(changed))
