"""Keeps the programs of the stack alive together, and stops them in order.

The programs run inside one task group: the first that dies too often cancels the others, and its
reason is what the caller sees.
"""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

from cks.dev.processes import Child, Program, Tolerance


class Supervisor:
    """``tell`` receives one line per event; logs go to ``logs/NAME.log``."""

    def __init__(
        self, logs: Path, tell: Callable[[str], None], tolerance: Tolerance | None = None
    ) -> None:
        self._logs = logs
        self._tell = tell
        self._tolerance = tolerance or Tolerance()
        self._children: list[Child] = []
        self._lives: asyncio.TaskGroup

    async def run(self, bringing_up: Coroutine[None, None, None]) -> None:
        """Run for ever once everything has started; a program that dies too often ends it."""
        async with asyncio.TaskGroup() as self._lives:
            await bringing_up

    async def start(self, program: Program) -> None:
        """Return once the program is ready; only within ``run``."""
        log = self._logs / f"{program.name}.log"
        child = Child(program, log, self._tell, self._tolerance)
        self._children.append(child)
        self._lives.create_task(child.run())
        await child.ready.wait()

    async def stop(self) -> None:
        """Stop all programs, the highest rank first, and leave no process behind."""
        if self._children:
            self._tell("stopping")
        for rank in sorted({child.program.rank for child in self._children}, reverse=True):
            together = [child for child in self._children if child.program.rank == rank]
            await asyncio.gather(*(child.stop() for child in together))
            self._tell(f"{', '.join(child.program.name for child in together)}: stopped")
