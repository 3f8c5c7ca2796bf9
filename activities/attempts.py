"""One attempt at a step: what it writes of itself, in transactions in which its run acts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from activities.ownership import Ownership
from cks.db import events, steps
from cks.db.session import Session
from cks.db.states import OperationState, StepState
from cks.domain.operations import Heading, OperationRef

Write = Callable[[Session], Awaitable[None]]
"""What a step writes beside its own row, in the same transaction."""


@dataclass(slots=True)
class Attempt:
    """One attempt at a step, under one fence.

    ``failing``: the attempts before it failed.  ``seconds_left``: for the way forward as a
    whole.  ``fraction``: what this one told last.
    """

    ownership: Ownership
    ref: OperationRef
    name: str
    number: int
    fence: int
    failing: bool
    seconds_left: float
    fraction: float = -1.0

    async def advance(self, fraction: float, also: Write | None = None) -> None:
        """Tell how much of the step is done, if that is news; the calls work again."""
        if fraction == self.fraction and not self.failing:
            return
        async with self.row() as (session, operation, step):
            if self.is_old(step):
                return
            steps.advance(step, fraction)
            if also:
                await also(session)
            await events.record(session, operation)
        self.fraction, self.failing = fraction, False

    async def complete(self, also: Write | None = None) -> None:
        """Note that the step's wish is so, together with what it brought about."""
        async with self.row() as (session, operation, step):
            if self.is_old(step):
                return
            steps.complete(step, operation.now)
            if also:
                await also(session)
            await events.record(session, operation)

    async def fail(self, said: str, budget: timedelta) -> bool:
        """Note that it failed; return whether the step's calls have failed for too long."""
        async with self.row() as (session, operation, step):
            if self.is_old(step):
                return True
            spent = steps.note_failure(step, said, budget, operation.now)
            await events.record(session, operation)
            return spent

    def is_old(self, step: StepState) -> bool:
        """Say whether another attempt has followed, so that nobody waits for this one.

        It may have hung, and woken up: what it saw is old, and what it says is not heard.
        """
        return (step.fence, step.attempt) != (self.fence, self.number)

    @asynccontextmanager
    async def row(self) -> AsyncIterator[tuple[Session, OperationState, StepState]]:
        """Open a transaction in which our run owns the operation, with the step's row."""
        async with self.ownership.of(self.ref, Heading.FORWARD) as (session, operation):
            yield session, operation, operation.step(self.name)
