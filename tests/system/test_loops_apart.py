"""The loops in processes of their own: whoever is killed, what was accepted is carried out once."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.servers import free_port
from tests.support.stack import process_of
from tests.system.checker import check
from tests.system.outside import SECONDS, Body, Outside, standing

WAIT_SECONDS = 3.0
"""Several looks of a relay, were there one."""

pytestmark = pytest.mark.trial


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Outside]:
    async with standing(CKS_API_RUNS_LOOPS="false") as outside:
        yield outside


@contextmanager
def looping(outside: Outside) -> Iterator[subprocess.Popen[bytes]]:
    """Run the loops, wired as the stack's API is; they are asked to end after the block."""
    lines = Path(f"/proc/{process_of(outside.folder, 'api')}/environ").read_text().split("\0")
    environment = dict(line.split("=", 1) for line in lines if line)
    environment["CKS_OPS_PORT"] = str(free_port())
    with (outside.folder / "logs" / "loops.log").open("ab") as log:
        words = [sys.executable, "-m", "api.background"]
        process = subprocess.Popen(words, env=environment, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(SECONDS) in (0, -signal.SIGKILL)


async def completed(outside: Outside, *operations: Body) -> None:
    for operation in operations:
        assert (await outside.ended(operation))["status"] == "completed"
    await check(outside.exports, outside.made)


async def waits(outside: Outside, operation: Body) -> None:
    await asyncio.sleep(WAIT_SECONDS)
    assert (await outside.until(operation, bool))["status"] == "pending"


async def test_what_is_accepted_while_no_loop_runs_waits_for_one(outside: Outside) -> None:
    operation = await outside.create()
    await waits(outside, operation)
    with looping(outside):
        await completed(outside, operation)


async def test_others_pick_up_what_killed_loops_left(outside: Outside) -> None:
    with looping(outside) as loops:
        under_way = await outside.half_done()
        loops.kill()
        loops.wait()
        accepted = await outside.create()
        await waits(outside, accepted)
    with looping(outside):
        await completed(outside, under_way, accepted)


async def test_the_loops_carry_out_what_a_killed_api_accepted(outside: Outside) -> None:
    with looping(outside):
        under_way = await outside.half_done()
        accepted = await outside.create()
        outside.kill("api")
        await outside.back()
        await completed(outside, under_way, accepted)


async def test_two_sets_of_loops_carry_out_once_also_when_one_is_killed(outside: Outside) -> None:
    with ExitStack() as several:
        doomed, _ = (several.enter_context(looping(outside)) for _ in range(2))
        before = await asyncio.gather(*(outside.create() for _ in range(4)))
        await outside.until(before[0], lambda now: now["progress"] > 0)
        doomed.kill()
        after = await asyncio.gather(*(outside.create() for _ in range(2)))
        await completed(outside, *before, *after)
