"""A worker hangs in the middle and wakes up late: what it then does is done once, or refused.

A worker that hangs is worse than one that died: Temporal goes on handing tasks to the polls
that it left open, and each is lost for a heartbeat's time.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.stack import process_of
from tests.system.outside import SECONDS, Outside

HUNG_SECONDS = 15
"""Longer than Temporal waits for a heartbeat: other attempts are due before it wakes up."""
POLL_SECONDS = 70
"""Until Temporal has closed the last poll that a worker left open."""

pytestmark = pytest.mark.trial


@contextmanager
def hanging(process: int) -> Iterator[None]:
    """Stop the process inside the block; it wakes up after it."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@contextmanager
def successor(outside: Outside, worker: int) -> Iterator[None]:
    """Run a second worker, wired as the first one is."""
    lines = Path(f"/proc/{worker}/environ").read_text().split("\0")
    environment = dict(line.split("=", 1) for line in lines if line)
    with (outside.folder / "logs" / "successor.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "worker"], env=environment, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(SECONDS)


async def test_an_operation_goes_on_when_its_only_worker_wakes_up(outside: Outside) -> None:
    operation = await outside.half_done()
    with hanging(process_of(outside.folder, "worker")):
        await asyncio.sleep(HUNG_SECONDS)
    await outside.goes_on(operation)
    assert (await outside.ended(operation))["status"] == "completed"


async def test_a_worker_that_wakes_up_late_finds_all_done_by_another(outside: Outside) -> None:
    operation = await outside.half_done()
    worker = process_of(outside.folder, "worker")
    with hanging(worker), successor(outside, worker):
        ended = await outside.until(
            operation, lambda now: bool(now["done"]), POLL_SECONDS + SECONDS
        )
    assert ended["status"] == "completed"

    # The one that woke up does this alone, after all that it had taken before.
    later = await outside.create()
    assert (await outside.ended(later))["status"] == "completed"
