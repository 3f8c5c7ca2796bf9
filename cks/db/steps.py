"""Moves of an operation's steps.  The operation's row is locked by whoever calls."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.models.operations import OperationStep
from cks.domain.operations import StepStatus
from cks.domain.plans import made_by

CLOCK = sa.select(sa.func.clock_timestamp())
LONGEST_ERROR = 500


async def find(session: AsyncSession, operation_id: UUID, name: str) -> OperationStep:
    """Return the step of that name; the plan has it."""
    query = sa.select(OperationStep).where(
        OperationStep.operation_id == operation_id, OperationStep.name == name
    )
    return (await session.scalars(query)).one()


async def begin(session: AsyncSession, step: OperationStep, attempt: int, fence: int) -> None:
    """Note that an attempt at the step is under way; they count anew under each fence.

    A late one, which timed out before it began, may find it completed: it stays so.
    """
    if step.status != StepStatus.COMPLETED:
        step.status = StepStatus.RUNNING
    step.attempt = max(step.attempt, attempt) if step.fence == fence else attempt
    step.fence = fence
    if step.started_at is None:
        step.started_at = await session.scalar(CLOCK)


def advance(step: OperationStep, fraction: float) -> None:
    """Note how much of the step is done, 0 to 1; it never falls.  The calls work again."""
    step.fraction = max(step.fraction, min(fraction, 1.0))
    step.failing_since = None


async def complete(session: AsyncSession, step: OperationStep) -> None:
    """Note that the step's wish is so."""
    advance(step, 1.0)
    step.status = StepStatus.COMPLETED
    step.completed_at = await session.scalar(CLOCK)


async def note_failure(
    session: AsyncSession, step: OperationStep, error: str, budget: timedelta
) -> bool:
    """Note a failed attempt.  Return whether the step's calls have failed for too long."""
    now = (await session.execute(CLOCK)).scalar_one()
    step.last_error = error[:LONGEST_ERROR]
    step.failing_since = step.failing_since or now
    spent: bool = now - step.failing_since >= budget
    if spent and step.status != StepStatus.COMPLETED:
        step.status = StepStatus.FAILED
    return spent


def fail(step: OperationStep) -> None:
    """Note that the operation failed at this step."""
    step.status = StepStatus.FAILED


def may_be_left(step: OperationStep) -> bool:
    """Say whether something of the step may still be there: it was begun, and not undone."""
    undone = step.undone_at is not None or step.status == StepStatus.UNDONE
    return step.started_at is not None and not undone and made_by(step.name) is not None


def orphans_among(steps: Iterable[OperationStep]) -> Sequence[OperationStep]:
    """Return the steps of which an ended operation left something, which is still there."""
    return [step for step in steps if step.orphaned_at is not None and step.undone_at is None]


async def orphan(session: AsyncSession, step: OperationStep) -> None:
    """Note that the operation ends while something of the step may be there."""
    step.orphaned_at = await session.scalar(CLOCK)


async def undo_all(session: AsyncSession, steps: Iterable[OperationStep]) -> None:
    """Note that nothing is left of any step."""
    for step in steps:
        await undo(session, step)


async def undo(session: AsyncSession, step: OperationStep) -> None:
    """Note that nothing is left of the step; one that failed, or never began, stays so."""
    step.undone_at = step.undone_at or await session.scalar(CLOCK)
    if step.status in (StepStatus.RUNNING, StepStatus.COMPLETED):
        step.status = StepStatus.UNDONE
