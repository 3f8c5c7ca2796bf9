"""Work that is repeated beside a process's other work, whatever goes wrong.

Errors are logged, and the work is tried again later.  An outage of a server is logged in one line;
any other error may be a bug, and is logged with its traceback.
"""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from cks.db.connections import is_away
from cks.temporal.engine import EngineAway

GRACE_SECONDS = 2.0

Work = Callable[[], Awaitable[object]]

log = logging.getLogger("cks.loop")


class LoopDied(Exception):  # noqa: N818
    """A loop that should run for ever has ended; the message says which."""


class Loop:
    """``work`` is one pass; a loop that ``ends`` stops after the first that returns ``True``."""

    def __init__(self, name: str, every_seconds: float, work: Work, *, ends: bool = False) -> None:
        self.name = name
        self.ends = ends
        self._every_seconds = every_seconds
        self._work = work
        self._log = logging.getLogger(f"cks.{name}")
        self._woken = asyncio.Event()
        self._passed = time.monotonic()

    def wake(self) -> None:
        """Start a pass at once, or another as soon as the present one has ended."""
        self._woken.set()

    @property
    def age_seconds(self) -> float:
        """How long ago its last pass without an error ended, or the loop was created."""
        return time.monotonic() - self._passed

    async def run(self) -> None:
        """Repeat the work until cancelled, or until it ends."""
        while not await self._look():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_seconds):
                    await self._woken.wait()

    async def _look(self) -> bool:
        """Do one pass; return whether it was the last."""
        self._woken.clear()
        try:
            done = await self._work()
        except Exception as error:  # noqa: BLE001  (whatever it was, the next pass meets it again)
            self._tell(error)
            return False
        self._passed = time.monotonic()
        return self.ends and done is True

    def _tell(self, error: Exception) -> None:
        who = _who_is_away(error)
        if who is None:
            self._log.error("%s failed", self.name, exc_info=error)
        else:
            why = error if str(error) else type(error).__name__
            self._log.warning("%s waits: %s does not answer: %s", self.name, who, why)


def _who_is_away(error: Exception) -> str | None:
    if isinstance(error, EngineAway):
        return "Temporal"
    return "the database" if is_away(error) else None


@asynccontextmanager
async def beside(loop: Loop) -> AsyncIterator[None]:
    """Run a loop beside the block.

    A loop that ends although it should not ends the process, so that another process takes its
    place: SIGTERM ends the block, and then ``LoopDied`` is raised.
    """
    task = asyncio.create_task(loop.run(), name=loop.name)
    if not loop.ends:
        task.add_done_callback(_end_process)
    try:
        yield
    finally:
        task.remove_done_callback(_end_process)
        died = task.done() and not loop.ends
        await _end(task)
    if died:
        raise LoopDied(f"{loop.name} has ended, and with it this process")


def _end_process(task: asyncio.Task[None]) -> None:
    log.critical("%s has ended unexpectedly; stopping this process", task.get_name())
    signal.raise_signal(signal.SIGTERM)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    _, left = await asyncio.wait({task}, timeout=GRACE_SECONDS)
    if left:
        log.warning("%s does not stop; exiting without waiting for it", task.get_name())
