"""Do and undo, side by side, and how to come back safely.

Every undo is on the stack before the *first* step.  Before its own step, since a step that
timed out may have worked.  Before the first, since a run made by a reset cannot know how far
the old run got.  Undoing nothing is success, so it costs little.

Steps of one stage run side by side.  When one fails, the others are cancelled and waited for
before anything is undone: an undo must never race the step that it undoes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType, ActivityConfig

with workflow.unsafe.imports_passed_through():
    from cks.domain.operations.failures import LEFT_BEHIND
    from cks.domain.operations.inputs import StepInput
    from cks.domain.operations.plans import AT_ONCE

# Undoing a step that still runs would race it, so a cancelled one is waited for.
WAIT = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
HEARTBEAT = timedelta(seconds=5)
ATTEMPT = timedelta(hours=1)
GRACE = timedelta(minutes=1)
OUTAGE = timedelta(days=1)
"""How long workers may be missing before a step is given up for that."""

PATIENT = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=5)
)
"""Without a number of attempts: the activity's deadline and its calls' budget end it."""
ENDLESS = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=15)
)


def recording(summary: str) -> ActivityConfig:
    """How the operation's own row is written: soon, and without end."""
    return ActivityConfig(
        summary=summary,
        start_to_close_timeout=timedelta(seconds=20),
        retry_policy=ENDLESS,
        cancellation_type=WAIT,
    )


Do = Callable[[Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Step:
    """A step, what undoes it (``None``: there is nothing to undo), and the input of both.

    ``limit`` is its deadline, which the activity keeps itself.
    """

    name: str
    title: str
    limit: timedelta
    input: StepInput
    do: Do
    undo: Do | None = None


Stages = Sequence[Sequence[Step]]
Tell = Callable[[str, str], None]
Boundary = Callable[[], Awaitable[None]]
RUNNING, COMPLETED, STOPPED, FAILED = "running", "completed", "stopped", "failed"
UNDOING, UNDONE, LEFT = "undoing", "undone", "left behind"


async def perform(stages: Stages, tell: Tell, boundary: Boundary) -> None:
    """Do the stages in order; ``tell`` hears of each step, ``boundary`` is asked between stages.

    It raises where the work is to end there.
    """
    for stage in stages:
        await boundary()
        await side_by_side(stage, lambda step: _do(step, tell))
    await boundary()


async def _do(step: Step, tell: Tell) -> None:
    tell(step.name, RUNNING)
    try:
        await workflow.execute_activity_method(
            step.do,
            step.input,
            summary=step.title,
            start_to_close_timeout=step.limit + GRACE,
            schedule_to_close_timeout=step.limit + OUTAGE,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=PATIENT,
            cancellation_type=WAIT,
        )
    except Exception as error:
        tell(step.name, STOPPED if is_cancelled_exception(error) else FAILED)
        raise
    tell(step.name, COMPLETED)


async def unwind(stages: Stages, tell: Tell) -> None:
    """Undo the stages, last first, until the operation's deadline.

    The activities keep it.  What is left is recorded in its row, and swept by another workflow.
    """
    for stage in reversed(stages):
        await side_by_side(stage, lambda step: _undo(step, tell), at_once=len(stage))


async def _undo(step: Step, tell: Tell) -> None:
    if step.undo is None:
        return
    tell(step.name, UNDOING)
    try:
        await workflow.execute_activity_method(
            step.undo,
            step.input,
            summary=f"Undo: {step.title}",
            start_to_close_timeout=ATTEMPT,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=ENDLESS,
            cancellation_type=WAIT,
        )
    except ActivityError as failure:
        if code_of(failure) != LEFT_BEHIND:
            raise
        tell(step.name, LEFT)
    else:
        tell(step.name, UNDONE)


Item = TypeVar("Item")


async def side_by_side(
    stage: Sequence[Item], act: Callable[[Item], Awaitable[None]], at_once: int = AT_ONCE
) -> None:
    """Act on all, a few at a time; return, or raise, when *all* have ended.

    What may never end acts on all ``at_once``: a few that hang would keep the others waiting.
    """
    few = asyncio.Semaphore(at_once)

    async def one(step: Item) -> None:
        async with few:
            await act(step)

    tasks = [asyncio.create_task(one(step)) for step in stage]
    try:
        await workflow.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    except asyncio.CancelledError:  # no ``finally``: a run that is dropped must not act
        await undisturbed(_end(tasks))
        raise
    await undisturbed(_end(tasks))
    for failure in sorted(_failures(tasks), key=is_cancelled_exception):
        raise failure


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await workflow.wait(tasks)
    _failures(tasks)  # looked at, or asyncio complains of those that nobody asked about


def _failures(tasks: Sequence[asyncio.Task[None]]) -> list[BaseException]:
    """Return what the tasks ended with; one that a sibling's failure cancelled, too."""
    ends = [asyncio.CancelledError() if t.cancelled() else t.exception() for t in tasks]
    return [end for end in ends if end is not None]


def heed_cancel() -> None:
    """Raise if a cancel was asked for.

    A step that is waited for and ends well in spite of the cancel swallows it.
    """
    if workflow.cancellation_reason() is not None:
        raise asyncio.CancelledError


async def undisturbed(work: Coroutine[Any, Any, None]) -> None:
    """Do the work to its end, however often this workflow is cancelled meanwhile.

    A single ``await asyncio.shield(task)`` protects the task, not the wait: the next cancel
    would end the workflow, and the task with it.  A run that is put out of the worker's cache
    is cancelled too, and takes no new task: it will be replayed elsewhere.
    """
    try:
        task = asyncio.create_task(work)
    except BaseException:  # pragma: no cover  (runs at evictions, unseen by the tracer)
        work.close()
        raise
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue
    task.result()


def code_of(failure: BaseException) -> str | None:
    """Return the stable code of a failed activity; ``None`` where it gave none."""
    cause = failure.__cause__
    return cause.type if isinstance(cause, ApplicationError) else None
