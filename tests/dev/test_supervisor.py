"""The supervisor over small real programs: shell scripts that live, die and linger."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

import pytest

from cks.dev.processes import Program, Tolerance
from cks.dev.supervisor import Supervisor
from cks.dev.surroundings import Trouble

QUICK = Tolerance(deaths=3, within=60, readiness=5, first_pause=0.01)
LASTING = 'echo $$ >> "$0"; exec sleep 600'
OWNER = """
import asyncio, sys
from pathlib import Path
from cks.dev.processes import Program
from cks.dev.supervisor import Supervisor

async def ready(since): pass

async def bring_up(supervisor, folder):
    words = ("/bin/sh", "-c", 'echo $$ >> "$0"; exec sleep 600', str(folder / "pids"))
    await supervisor.start(Program("sleeper", words, ready))
    (folder / "up").touch()

folder = Path(sys.argv[1])
supervisor = Supervisor(folder, print)
asyncio.run(supervisor.run(bring_up(supervisor, folder)))
"""


async def ready(_since: datetime) -> None:
    return None


def shell(name: str, script: str, argument: Path, **more: object) -> Program:
    words = ("/bin/sh", "-c", script, str(argument))
    return Program(name, words, ready, **more)  # type: ignore[arg-type]


@asynccontextmanager
async def running(supervisor: Supervisor, *programs: Program) -> AsyncIterator[asyncio.Task[None]]:
    """Run the programs inside the block, each ready before the next; stopped after it."""
    up = asyncio.Event()

    async def bring_up() -> None:
        for program in programs:
            await supervisor.start(program)
        up.set()

    life = asyncio.create_task(supervisor.run(bring_up()))
    waiting = asyncio.create_task(up.wait())
    await asyncio.wait({life, waiting}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield life
    finally:
        waiting.cancel()
        life.cancel()
        await asyncio.wait({life})
        await supervisor.stop()


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.02)


def pids(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has waited for yet is dead."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def reason(life: asyncio.Task[None]) -> str:
    group = life.exception()
    assert isinstance(group, ExceptionGroup)
    assert isinstance(group.exceptions[0], Trouble)
    return str(group.exceptions[0])


async def test_starts_a_program_again_after_its_death(tmp_path: Path) -> None:
    told: list[str] = []
    supervisor = Supervisor(tmp_path, told.append, QUICK)
    async with running(supervisor, shell("sleeper", LASTING, tmp_path / "pids")):
        await until(lambda: len(pids(tmp_path / "pids")) == 1)
        os.kill(pids(tmp_path / "pids")[0], signal.SIGKILL)
        await until(lambda: len(pids(tmp_path / "pids")) == 2)
        await until(lambda: len(told) == 3)
    assert "sleeper was ended by SIGKILL; starting it again" in told[1]
    assert [line.split(" after")[0] for line in (told[0], told[2])] == ["sleeper is ready"] * 2


async def test_gives_up_with_the_end_of_the_log_when_a_program_keeps_dying(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, lambda _: None, QUICK)
    dying = shell("dying", "echo no such key >&2; echo >> $0; exit 7", tmp_path / "lives")
    async with running(supervisor, dying) as life:
        await asyncio.wait({life}, timeout=5)
    assert "dying ended with status 7, 3 times in a short while" in reason(life)
    assert "    no such key" in reason(life)
    assert (tmp_path / "lives").read_text().count("\n") == QUICK.deaths


async def test_gives_up_when_a_program_lives_but_never_becomes_ready(tmp_path: Path) -> None:
    async def never(_since: datetime) -> None:
        raise ConnectionRefusedError("nobody listens")

    supervisor = Supervisor(tmp_path, lambda _: None, Tolerance(readiness=0.3))
    async with running(supervisor, Program("mute", ("/bin/sleep", "600"), never)) as life:
        await asyncio.wait({life}, timeout=5)
    assert "mute was not ready within 0.3 s" in reason(life)
    assert "nobody listens" in reason(life)


async def test_stops_the_highest_rank_first_and_the_ground_last(tmp_path: Path) -> None:
    script = 'trap \'echo "$1" >> "$0"; exit 0\' TERM; echo up; while :; do sleep 0.05; done'
    supervisor = Supervisor(tmp_path, lambda _: None)
    ranks = {"ground": 0, "middle": 1, "ours": 2}
    programs = [
        Program(name, ("/bin/sh", "-c", script, str(tmp_path / "order"), name), ready, rank=rank)
        for name, rank in ranks.items()
    ]
    async with running(supervisor, *programs):
        for name in ranks:
            log = tmp_path / f"{name}.log"
            await until(lambda log=log: "up" in log.read_text())  # type: ignore[misc]
    assert (tmp_path / "order").read_text().split() == ["ours", "middle", "ground"]


async def test_kills_a_program_that_ignores_its_stop_and_what_it_started(tmp_path: Path) -> None:
    told: list[str] = []
    script = "trap '' TERM; sleep 600 & echo $! >> $0; echo $$ >> $0; wait; wait"
    supervisor = Supervisor(tmp_path, told.append)
    stubborn = shell("stubborn", script, tmp_path / "pids", grace=0.3)
    async with running(supervisor, stubborn):
        await until(lambda: len(pids(tmp_path / "pids")) == 2)
    assert told[-2] == "stubborn did not stop within 0.3 s: killed"
    await until(lambda: not any(map(alive, pids(tmp_path / "pids"))))


async def test_leaves_no_orphan_when_it_is_killed_itself(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)])
    try:
        await until((tmp_path / "up").exists, 20)
        await until(lambda: len(pids(tmp_path / "pids")) == 1)
    finally:
        owner.kill()
        owner.wait()
    await until(lambda: not alive(pids(tmp_path / "pids")[0]))
    with pytest.raises(ProcessLookupError):
        os.kill(owner.pid, 0)
