"""Where an activity stops, whenever the world is near, until a player lets it go on.

One attempt runs at a time, from gate to gate, so the order of all effects is the player's
choice.  No gate lies inside a transaction: a parked attempt holds no lock.  Whoever has no
attempt (the relay, the reconciler, a check) passes freely, and so does a heart-beat.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from temporalio import exceptions
from temporalio.testing import ActivityEnvironment

BEGIN, COMMITTED = "begin", "committed"
DONE = " done"


class Broken(BaseException):
    """An invariant does not hold.  No ``except Exception`` may swallow that."""


class WentAway(ConnectionError):  # noqa: N818
    """The database does not answer."""


@dataclass(eq=False)
class Attempt:
    """One try of an activity.  Whoever lost track of it has not stopped it."""

    activity: str
    environment: ActivityEnvironment
    still: asyncio.Event = field(default_factory=asyncio.Event)
    passed: list[str] = field(default_factory=list)
    gate: asyncio.Future[None] | None = None
    task: asyncio.Task[Any] | None = None

    @property
    def place(self) -> str:
        return self.passed[-1] if self.passed else ""

    async def run(self, method: Callable[[Any], Awaitable[Any]], argument: object) -> None:
        """Start, and return at the first gate or the end."""
        ATTEMPT.set(self)  # the caller's context is this attempt's alone
        self.task = asyncio.ensure_future(self.environment.run(method, argument))
        ATTEMPT.set(None)
        self.task.add_done_callback(lambda _: self.still.set())
        await self.still.wait()

    async def go_on(self, error: BaseException | None = None) -> None:
        """Pass the gate, or meet ``error`` at it, and return at the next or the end."""
        self.still.clear()
        if self.gate and not self.gate.done():
            if error:
                self.gate.set_exception(error)
            else:
                self.gate.set_result(None)
        await self.still.wait()

    async def cancel(self) -> None:
        self.still.clear()
        self.environment.cancel()
        if not self.over:
            await self.still.wait()

    async def end(self) -> None:
        """Let it go nowhere any more: the history is over."""
        if self.task and not self.task.done():
            self.task.cancel()
            await asyncio.wait([self.task])

    @property
    def over(self) -> bool:
        return self.task is not None and self.task.done()

    @property
    def effected(self) -> bool:
        """Say whether it has had the effect that the activity is there for."""
        if self.activity == "verify_cluster":
            return self.passed.count(COMMITTED) > 1
        if self.activity in ("turn_back", "settle_operation"):
            return COMMITTED in self.passed
        return any(place.endswith(DONE) and place != f"observe{DONE}" for place in self.passed)

    def outcome(self) -> object:
        """Return the activity's result, or the exception that it ended with."""
        if self.task is None or self.task.cancelled():
            return exceptions.CancelledError("cancelled")
        return self.task.exception() or self.task.result()


ATTEMPT: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


async def gate(place: str) -> None:
    """Stop here until the player lets the attempt go on.  Others pass freely."""
    attempt = ATTEMPT.get()
    if attempt is not None:
        attempt.passed.append(place)
        attempt.gate = asyncio.get_running_loop().create_future()
        attempt.still.set()
        await attempt.gate
