"""One program of the stack as a process: started, watched, started again, stopped.

Each runs in a session of its own, so that a Ctrl-C in the terminal reaches only us and we
choose the order.  Should we be killed, the kernel ends the children (Linux:
``PR_SET_PDEATHSIG``; elsewhere they would have to be ended by hand).
"""

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cks.dev.surroundings import Trouble

PR_SET_PDEATHSIG = 1
LAST_LINES = 8
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and how it is known to be ready.

    ``ready`` gets the time when the process was started, and raises until it is ready.
    """

    name: str
    command: tuple[str, ...]
    ready: Callable[[datetime], Awaitable[None]]
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    user: str | None = None
    rank: int = 0
    """The highest rank stops first; a rank stops together."""
    grace: float = 4.0
    """Seconds between being asked to stop and being killed."""
    ends_by: signal.Signals = signal.SIGTERM
    orphaned_by: signal.Signals = signal.SIGKILL
    """What the kernel sends when we die without a stop."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """When a program counts as unable to live; all times in seconds."""

    deaths: int = 5
    within: float = 60.0
    readiness: float = 60.0
    first_pause: float = 0.5


class Child:
    """A program kept running until ``stop``; its output is appended to its own log."""

    def __init__(
        self, program: Program, log: Path, tell: Callable[[str], None], tolerance: Tolerance
    ) -> None:
        self.program = program
        self.ready = asyncio.Event()
        self._log = log
        self._tell = tell
        self._tolerance = tolerance
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Run for ever; raise ``Trouble`` once the program has died too often to go on."""
        deaths: list[float] = []
        while True:
            ended = _ending(await self._live_once())
            now = time.monotonic()
            deaths = [then for then in deaths if now - then < self._tolerance.within] + [now]
            if len(deaths) >= self._tolerance.deaths:
                raise self._trouble(f"{ended}, {len(deaths)} times in a short while")
            self._tell(f"{self.program.name} {ended}; starting it again (see {self._log})")
            await asyncio.sleep(self._tolerance.first_pause * (2 ** (len(deaths) - 1) - 1))

    async def stop(self) -> None:
        """Ask it to end, wait for its grace, then kill what is left of it."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(self.program.ends_by)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self.program.grace)
        if process.returncode is None:
            self._tell(f"{self.program.name} did not stop within {self.program.grace:g} s: killed")
        _kill_group(process.pid)
        await process.wait()

    async def _live_once(self) -> int:
        began = time.monotonic()
        self._process = process = await self._spawn()
        life = asyncio.create_task(process.wait())
        readiness = asyncio.create_task(self._announce(began))
        try:
            await asyncio.wait({life, readiness}, return_when=asyncio.FIRST_COMPLETED)
            if readiness.done():
                readiness.result()
            code = await life
            _kill_group(process.pid)
            return code
        finally:
            life.cancel()
            readiness.cancel()

    async def _spawn(self) -> asyncio.subprocess.Process:
        # The parent's own copy of the log is closed at once; the child has inherited it.
        with self._log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *self.program.command,
                env=self.program.environment,
                user=self.program.user,
                cwd="/" if self.program.user else None,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_tie(self.program.orphaned_by),
            )

    async def _announce(self, began: float) -> None:
        why: Exception | None = None
        since = datetime.now(UTC)
        while time.monotonic() - began < self._tolerance.readiness:
            try:
                await asyncio.wait_for(self.program.ready(since), 5.0)
            except Exception as error:  # noqa: BLE001 - any failure of a probe means: not yet
                why = error
                await asyncio.sleep(0.1)
            else:
                self._tell(f"{self.program.name} is ready after {time.monotonic() - began:.1f} s")
                self.ready.set()
                return
        raise self._trouble(f"was not ready within {self._tolerance.readiness:g} s ({why!r})")

    def _trouble(self, what: str) -> Trouble:
        with suppress(FileNotFoundError):
            lines = self._log.read_text(errors="replace").splitlines()[-LAST_LINES:]
            ending = "\n".join(f"    {line}" for line in lines)
            return Trouble(f"{self.program.name} {what}. The end of {self._log}:\n{ending}")
        return Trouble(f"{self.program.name} {what}.")


def _tie(orphaned_by: signal.Signals) -> Callable[[], None] | None:
    """Return what a child does before it becomes its program, to die with its parent."""
    if _LIBC is None:
        return None
    libc, parent = _LIBC, os.getpid()

    def tie() -> None:
        libc.prctl(PR_SET_PDEATHSIG, orphaned_by.value, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return tie


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _ending(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
