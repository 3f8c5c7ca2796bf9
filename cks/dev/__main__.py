"""``make dev``: run the whole stack until a signal, or until it cannot go on.

SIGINT, SIGTERM and SIGHUP all mean "stop in order", however often they come: make and the
terminal send them to the whole group, so the second is an echo and no impatience.
"""

import asyncio
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

import click

from cks.dev import surroundings
from cks.dev.folder import Folder
from cks.dev.stack import EXPORTED, Stack
from cks.dev.supervisor import Supervisor
from cks.dev.surroundings import Trouble

LEFTOVERS_SECONDS = 10.0
BEGAN = time.monotonic()


def main() -> None:
    """Exit with 0 after a stop that was asked for, else with 1 and the reason."""
    folder = Folder(Path(os.environ.get("CKS_DEV_DIR") or ".dev"))
    reasons: list[str] = []
    try:
        killed = folder.claim()
        asyncio.run(_run(folder, LEFTOVERS_SECONDS if killed else 0.0))
    except* Trouble as group:
        reasons += _messages(group)
    except* Exception as group:  # noqa: BLE001 - the last resort tells all it knows
        reasons.append("".join(traceback.format_exception(group)))
    for reason in reasons:
        tell(f"The reason: {reason}")
    sys.exit(1 if reasons else 0)


async def _run(folder: Folder, patience: float) -> None:
    """Run until the stack breaks or a signal comes; leave nothing running."""
    supervisor = Supervisor(folder.logs(), tell)
    life = asyncio.create_task(_live(folder, supervisor, patience))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, life.cancel)
    await asyncio.wait([life])
    folder.withdraw()
    await supervisor.stop()
    folder.release()
    with suppress(asyncio.CancelledError):
        life.result()


async def _live(folder: Folder, supervisor: Supervisor, patience: float) -> None:
    folder.withdraw()
    if other := surroundings.forget_another_copy(folder.path):
        tell(f"This shell has sourced the copy in {other}; its variables are ignored here.")
    surroundings.forget(folder.kept(EXPORTED))
    surroundings.forget_empty()
    chosen = surroundings.read()
    await surroundings.check_ports(chosen.ports(), patience)
    await supervisor.run(Stack(chosen, folder, supervisor, tell).bring_up())


def tell(line: str) -> None:
    """Print an event; a terminal that has gone away stops nothing."""
    with suppress(OSError):
        click.echo(f"{time.monotonic() - BEGAN:6.1f} s  {line}")


def _messages(group: BaseExceptionGroup[Trouble]) -> list[str]:
    found: list[str] = []
    for error in group.exceptions:
        found += _messages(error) if isinstance(error, BaseExceptionGroup) else [str(error)]
    return found


if __name__ == "__main__":
    main()
