"""One attempt at a step: what it writes of itself, in transactions in which its run acts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from temporalio.exceptions import ApplicationError

from activities.ownership import Ownership
from cks.db.operations import events
from cks.db.operations.requests import request_of
from cks.db.session import Session
from cks.domain.operations import steps
from cks.domain.operations.lifecycle import Heading
from cks.domain.operations.state import OperationState, StepState

Request = TypeVar("Request")
OUTRUN = "outrun"

Write = Callable[[Session], Awaitable[None]]
"""What a step writes beside its own row, in the same transaction."""


@dataclass(slots=True)
class Attempt:
    """One attempt at a step, under one fence.

    ``operation`` and ``step`` are as they were when it began: what was asked for, and what the
    step is about, never change.  ``failing``: the attempts before it failed.  ``fraction``: what
    this one reported last.
    """

    ownership: Ownership
    operation: OperationState
    step: StepState
    number: int
    fence: int
    failing: bool
    fraction: float = -1.0

    @property
    def cluster_id(self) -> UUID:
        """Return the cluster in which the step works."""
        return cluster_of(self.operation)

    @property
    def resource_id(self) -> UUID:
        """Return what the step is about: where its plan names nothing else, the cluster."""
        return self.step.resource_id or self.cluster_id

    @property
    def seconds_left(self) -> float:
        """Return how long the operation went forward still when this attempt began."""
        return self.operation.seconds_until(self.operation.deadlines.forward_until)

    def asked(self, expected: type[Request]) -> Request:
        """Return what was asked for, as the operation's row has it."""
        return request_of(self.operation, expected)

    async def advance(self, fraction: float, also: Write | None = None) -> None:
        """Record how much of the step is done, if that has changed; a call has succeeded."""
        if fraction == self.fraction and not self.failing:
            return
        async with self.row() as (session, operation, step):
            self._check_newest(step)
            steps.advance(step, fraction)
            if also:
                await also(session)
            await events.record(session, operation)
        self.fraction, self.failing = fraction, False

    async def complete(self, also: Write | None = None) -> None:
        """Note that the step is done, together with what it brought about."""
        async with self.row() as (session, operation, step):
            self._check_newest(step)
            steps.complete(step, operation.now)
            if also:
                await also(session)
            await events.record(session, operation)

    async def fail(self, said: str, budget: timedelta) -> bool:
        """Note that it failed; return whether the step's calls have failed for too long."""
        async with self.row() as (session, operation, step):
            if self._is_old(step):
                return False
            spent = steps.note_failure(step, said, budget, operation.now)
            await events.record(session, operation)
            return spent

    def _is_old(self, step: StepState) -> bool:
        """Say whether another attempt has followed: what this one saw is old, and is not heard."""
        return (step.fence, step.attempt) != (self.fence, self.number)

    def _check_newest(self, step: StepState) -> None:
        """Raise, to be tried again, if another attempt has followed.

        Mostly nobody waits for this one: it hung, and woke up.  But an operator may have reset the
        activity, so that its attempts count from one again: they count up past the others.
        """
        if self._is_old(step):
            raise ApplicationError("another attempt has followed", type=OUTRUN)

    @asynccontextmanager
    async def row(self) -> AsyncIterator[tuple[Session, OperationState, StepState]]:
        """Open a transaction in which our run owns the operation, with the step's row."""
        async with self.ownership.of(self.operation.ref, Heading.FORWARD) as (session, operation):
            yield session, operation, operation.step(self.step.name)


def cluster_of(operation: OperationState) -> UUID:
    """Return the cluster of an operation whose steps ask a provider for something."""
    if operation.cluster_id is None:
        raise AssertionError(f"{operation.type} belongs to no cluster")
    return operation.cluster_id
