"""What every step of a plan has in common, forward and back.

A step is *ensure, then observe until converged*.  Before it asks the provider for anything,
one transaction proves that its run owns the operation, reads the fence and notes the attempt;
after it, another notes that the step is done.  In between it heart-beats, through which a
cancel reaches it, and reports how far the provider is.

A failing call ends the attempt and Temporal tries again.  The row remembers since when the
calls have been failing; when that has lasted for the step's budget, the step has failed.  So
has one that is answered all the time, and not done by its deadline.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, assert_never
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.attempts import Attempt, cluster_of
from activities.ownership import Ownership
from cks.db import registry
from cks.db.connections import is_away
from cks.db.operations import events
from cks.db.operations.requests import request_of
from cks.db.session import Session
from cks.domain.clusters.clusters import ProviderResource
from cks.domain.operations import failures, moves, steps
from cks.domain.operations.inputs import StepInput
from cks.domain.operations.lifecycle import Heading, OperationStatus
from cks.domain.operations.plans import ResourceKind
from cks.domain.operations.state import OperationState
from cks.domain.operations.types import OnFailure
from cks.domain.refusals import Declined, NoCapacity, ProviderQuota
from cks.domain.registry import TYPES
from cks.providers.base import Observed, Provider, State, Unavailable

HEARTBEAT_SECONDS = 1.0
Request = TypeVar("Request")

Made = Callable[[Observed], State]
"""How what a step asked for is seen."""


@dataclass(frozen=True, slots=True)
class StepTiming:
    """How often a step looks, and for how long its calls may keep failing; both in seconds."""

    poll_seconds: float
    budget_seconds: float


@dataclass(frozen=True, slots=True)
class Undoing:
    """The undoing of a step, under the fence of the way back, and for how long it may try."""

    operation: OperationState
    resource_id: UUID
    fence: int
    seconds_left: float

    @property
    def cluster_id(self) -> UUID:
        """Return the cluster in which the step worked."""
        return cluster_of(self.operation)

    def asked(self, expected: type[Request]) -> Request:
        """Return what was asked for, as the operation's row has it."""
        return request_of(self.operation, expected)


class Steps:
    """Opens steps; one object serves all of a worker's activities."""

    def __init__(self, ownership: Ownership, provider: Provider, timing: StepTiming) -> None:
        self._ownership = ownership
        self._provider = provider
        self._timing = timing

    async def watch(
        self, cluster_id: UUID, attempt: Attempt | None = None, made: Made | None = None
    ) -> AsyncIterator[Observed]:
        """Observe a cluster repeatedly; the caller stops when it is in the desired state.

        Where what was ``made`` is not to be seen at all, the attempt has failed: the next one
        asks for it anew.
        """
        while True:
            seen = await self._provider.observe(cluster_id)
            if made and made(seen) is State.ABSENT:
                raise Unavailable("the provider denies what it has accepted")
            if attempt and attempt.failing:
                await attempt.advance(0)
            yield seen
            await asyncio.sleep(self._timing.poll_seconds)

    @asynccontextmanager
    async def forward(self, step: StepInput) -> AsyncIterator[Attempt]:
        """Open an attempt at a step; its failure is noted, its end is up to ``complete``.

        The deadline is the attempt's own: time without any worker is not the provider's.
        """
        attempt = await self._begin(step)
        if attempt.seconds_left <= 0:
            raise await self._timed_out(attempt, failures.DEADLINE_EXCEEDED)
        limit = attempt.step.limit_seconds
        # Not Temporal's start-to-close timeout: that would also count the time in which no worker
        # was there, and the tenant would be told that the provider took too long.
        deadline = asyncio.timeout(min(limit, attempt.seconds_left))
        async with beating():
            try:
                async with deadline:
                    yield attempt
            except (Unavailable, NoCapacity, ProviderQuota) as error:
                raise await self._failure(attempt, error) from error
            except (Declined, ApplicationError):
                raise
            except Exception as error:
                if deadline.expired():
                    in_all = attempt.seconds_left < limit
                    code = failures.DEADLINE_EXCEEDED if in_all else failures.STEP_TIMED_OUT
                    raise await self._timed_out(attempt, code) from error
                if is_away(error):
                    raise  # our database's absence is no failure of the step
                raise await self._failure(attempt, error) from error

    async def _begin(self, given: StepInput) -> Attempt:
        """Note the attempt and read the fence under which it may change something.

        The fence comes from the row, never from the workflow: a run made by a reset replays
        what its predecessor was told.
        """
        async with self._ownership.of(given.operation, Heading.FORWARD) as (session, operation):
            if operation.status is OperationStatus.PENDING:
                await self._take(session, operation)
            step = operation.step(given.step)
            number, fence = activity.info().attempt, operation.acting_fence
            steps.begin(step, number, fence, operation.now)
            await events.record(session, operation)
            failing = step.failing_since is not None
            return Attempt(self._ownership, operation, step, number, fence, failing)

    async def _take(self, session: Session, operation: OperationState) -> None:
        """Begin, if who asked for it still may: it may have waited for days."""
        moves.take(operation)
        if not await registry.take(session, operation):
            code = failures.PERMISSION_LOST
            raise ApplicationError(failures.FAILURES[code][1], type=code, non_retryable=True)

    async def _failure(self, attempt: Attempt, error: Exception) -> ApplicationError:
        """Note the failed attempt, and say whether another one makes sense."""
        code, said = _code_of(error), _said(error)
        spent = await attempt.fail(said, self._budget(attempt.operation))
        return ApplicationError(str(error), type=code, non_retryable=spent)

    def _budget(self, operation: OperationState) -> timedelta:
        """Return for how long a step's calls may fail; what only goes forward has no other way."""
        if TYPES[operation.type].on_failure is OnFailure.PERSIST:
            return timedelta.max
        return timedelta(seconds=self._timing.budget_seconds)

    async def _timed_out(self, attempt: Attempt, code: str) -> ApplicationError:
        """Note that what was asked for did not come about in time."""
        said = failures.FAILURES[code][1]
        await attempt.fail(f"{said}.", timedelta(0))
        return ApplicationError(said, type=code, non_retryable=True)

    @asynccontextmanager
    async def back(self, step: StepInput) -> AsyncIterator[Undoing]:
        """Open the undoing of a step, and note its end; Temporal repeats what fails.

        When the operation's time is nearly up, what is left is left behind: to be named, and
        swept by others.
        """
        undoing = await self._begin_undo(step)
        deadline = asyncio.timeout(undoing.seconds_left)
        async with beating():
            try:
                async with deadline:
                    yield undoing
            except TimeoutError as error:
                if deadline.expired():
                    raise _left_behind() from error
                raise
            except (NoCapacity, ProviderQuota) as no:  # a later try may fare better
                raise ApplicationError(no.detail, type=no.code) from no
        async with self._ownership.of(step.operation, Heading.BACK) as (session, operation):
            steps.undo(operation.step(step.step), operation.now)
            await events.record(session, operation)

    async def _begin_undo(self, step: StepInput) -> Undoing:
        async with self._ownership.of(step.operation, Heading.BACK) as (_, operation):
            left = operation.seconds_until(operation.deadlines.handover_at)
            if left <= 0:
                raise _left_behind()
            about = operation.step(step.step).resource_id or cluster_of(operation)
            return Undoing(operation, about, operation.acting_fence, left)

    async def remove(self, resource: ProviderResource, fence: int) -> None:
        """Have the provider remove something, and return when it is gone."""
        cluster_id = resource.cluster_id
        match resource.kind:
            case ResourceKind.NETWORK:
                await self._provider.delete_network(cluster_id, fence)
            case ResourceKind.CONTROL_PLANE:
                await self._provider.delete_control_plane(cluster_id, fence)
            case ResourceKind.NODE_POOL:
                await self._provider.delete_node_pool(cluster_id, resource.id, fence)
            case _:
                assert_never(resource.kind)
        async for seen in self.watch(cluster_id):
            if _is_gone(seen, resource):
                return


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Heartbeat throughout, so that a cancel arrives even while a call hangs.

    What is over within a second is not worth a call to the server.
    """

    async def beat() -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            activity.heartbeat()

    heart = asyncio.create_task(beat())
    try:
        yield
    finally:
        heart.cancel()


def _is_gone(seen: Observed, resource: ProviderResource) -> bool:
    match resource.kind:
        case ResourceKind.NETWORK:
            return seen.network is State.ABSENT
        case ResourceKind.CONTROL_PLANE:
            return seen.control_plane.state is State.ABSENT
        case ResourceKind.NODE_POOL:
            pool = seen.pools.get(resource.id)
            return pool is None or pool.state is State.ABSENT
        case _:
            assert_never(resource.kind)


def _left_behind() -> ApplicationError:
    return ApplicationError("no time is left", type=failures.LEFT_BEHIND, non_retryable=True)


def _code_of(error: Exception) -> str:
    match error:
        case NoCapacity() | ProviderQuota():
            return error.code
        case Unavailable():
            return failures.PROVIDER_UNAVAILABLE
    return failures.INTERNAL


def _said(error: Exception) -> str:
    """Return what a tenant may read of a failed attempt."""
    return failures.FAILURES[_code_of(error)][1] + "."
