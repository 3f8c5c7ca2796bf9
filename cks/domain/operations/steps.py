"""Moves of an operation's steps.  The operation is locked, and the caller records it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from cks.domain.operations.lifecycle import StepStatus
from cks.domain.operations.plans import Undo
from cks.domain.operations.state import StepState

LONGEST_ERROR = 500


def begin(step: StepState, attempt: int, fence: int, now: datetime) -> None:
    """Note that an attempt at the step is under way; they count anew under each fence.

    A late one, which timed out before it began, may find it completed: it stays so.
    """
    if step.status != StepStatus.COMPLETED:
        step.status = StepStatus.RUNNING
    step.attempt = max(step.attempt, attempt) if step.fence == fence else attempt
    step.fence = fence
    step.started_at = step.started_at or now


def advance(step: StepState, fraction: float) -> None:
    """Note how much of the step is done, 0 to 1; it never falls.  The calls work again."""
    step.fraction = max(step.fraction, min(fraction, 1.0))
    step.failing_since = None


def complete(step: StepState, now: datetime) -> None:
    """Note that the step is done."""
    advance(step, 1.0)
    step.status = StepStatus.COMPLETED
    step.completed_at = now


def note_failure(step: StepState, error: str, budget: timedelta, now: datetime) -> bool:
    """Note a failed attempt.  Return whether the step's calls have failed for too long."""
    step.last_error = error[:LONGEST_ERROR]
    step.failing_since = step.failing_since or now
    spent = now - step.failing_since >= budget
    if spent and step.status != StepStatus.COMPLETED:
        step.status = StepStatus.FAILED
    return spent


def fail(step: StepState) -> None:
    """Note that the operation failed at this step."""
    step.status = StepStatus.FAILED


def may_be_left(step: StepState) -> bool:
    """Say whether something that the step made may still be there: only that is ever removed."""
    return step.undo is Undo.REMOVE and _may_last(step)


def may_be_changed(step: StepState) -> bool:
    """Say whether what the step changed may still not be as it was before."""
    return step.undo is Undo.RESTORE and _may_last(step)


def _may_last(step: StepState) -> bool:
    """Say whether the step was begun, and not undone."""
    undone = step.undone_at is not None or step.status == StepStatus.UNDONE
    return step.started_at is not None and not undone


def orphans_among(steps: Iterable[StepState]) -> Sequence[StepState]:
    """Return the steps of which an ended operation left something, which is still there."""
    return [step for step in steps if step.orphaned_at is not None and step.undone_at is None]


def orphan(step: StepState, now: datetime) -> None:
    """Note that the operation ends while something of the step may be there."""
    step.orphaned_at = now


def undo_all(steps: Iterable[StepState], now: datetime) -> None:
    """Note that nothing is left of any step."""
    for step in steps:
        undo(step, now)


def undo(step: StepState, now: datetime) -> None:
    """Note that nothing is left of the step; one that failed, or never began, stays so."""
    step.undone_at = step.undone_at or now
    if step.status in (StepStatus.RUNNING, StepStatus.COMPLETED):
        step.status = StepStatus.UNDONE
