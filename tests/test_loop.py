"""Work that goes on whatever befalls it, and the process that ends with it."""

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cks.db.session import Database
from cks.loop import Loop, beside
from cks.temporal.engine import Temporal, connect

ROOT = Path(__file__).parent.parent
NOWHERE = "postgresql://cks_app:x@127.0.0.1:1/postgres"
OFTEN, NEVER = 0.01, 3600.0
SECONDS = 10
DOOMED = """
import asyncio, sys
from api.process import run
from cks.loop import Loop, beside

async def die():
    raise asyncio.CancelledError

sys.exit(run(lambda *_: beside(Loop("doomed", 1, die))))
"""


class Flaky:
    """Raises what it was given, one after the other; then all is well."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles = list(troubles)
        self.looks = 0

    async def look(self) -> bool:
        self.looks += 1
        if self.troubles:
            raise self.troubles.pop(0)
        return True


async def until_looked(flaky: Flaky, times: int) -> None:
    async with asyncio.timeout(SECONDS):
        while flaky.looks < times:
            await asyncio.sleep(OFTEN)


async def test_trouble_is_told_with_its_trace_and_met_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    flaky = Flaky(ValueError("a bug"), KeyError("another"))
    async with beside(Loop("flaky", OFTEN, flaky.look)):
        await until_looked(flaky, 4)
    told = [record for record in caplog.records if record.name == "cks.flaky"]
    assert [record.message for record in told] == ["flaky failed"] * 2
    assert all(record.levelno == logging.ERROR and record.exc_info for record in told)


async def test_a_server_that_is_away_is_told_in_a_line(caplog: pytest.LogCaptureFixture) -> None:
    temporal = Temporal(await connect({"target_host": "127.0.0.1:1"}), "cks")
    database = Database(NOWHERE)
    async with (
        beside(Loop("asking", NEVER, lambda: temporal.latest_run("nobody"))),
        beside(Loop("reading", NEVER, database.schema_revision)),
        asyncio.timeout(SECONDS),
    ):
        while len(caplog.records) < 2:
            await asyncio.sleep(OFTEN)
    await database.close()
    told = {record.name: record for record in caplog.records}
    assert "asking waits: Temporal does not answer" in told["cks.asking"].message
    assert "reading waits: the database does not answer" in told["cks.reading"].message
    assert all(r.levelno == logging.WARNING and not r.exc_info for r in told.values())


async def test_it_looks_at_once_when_it_is_woken() -> None:
    flaky = Flaky()
    loop = Loop("rare", NEVER, flaky.look)
    async with beside(loop):
        await until_looked(flaky, 1)
        loop.wake()
        await until_looked(flaky, 2)


async def test_only_a_look_without_trouble_makes_it_young_again() -> None:
    flaky = Flaky(ValueError(), ValueError())
    loop = Loop("flaky", OFTEN, flaky.look)
    await asyncio.sleep(0.1)
    async with beside(loop):
        await until_looked(flaky, 2)
        assert loop.age_seconds >= 0.1
        await until_looked(flaky, 4)
        assert loop.age_seconds < 0.1


async def test_one_that_ends_does_so_with_the_first_look_that_says_so() -> None:
    flaky = Flaky(ValueError())
    await asyncio.wait_for(Loop("once", OFTEN, flaky.look, ends=True).run(), SECONDS)
    assert flaky.looks == 2


def test_one_that_ends_although_it_should_not_ends_its_process() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CKS_", "TEMPORAL_"))}
    ran = subprocess.run(
        [sys.executable, "-c", DOOMED],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 1
    assert "doomed has ended, and with it this process" in ran.stderr
