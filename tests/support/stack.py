"""A whole stack as ``make dev`` runs it, in a folder and on ports of its own."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.servers import free_ports

SERVERS = ("API", "OPS", "POSTGRES", "SIMULATOR", "TEMPORAL", "TEMPORAL_UI")
READY_SECONDS = 25
STOP_SECONDS = 15
PROGRAMS = {
    "api": ("-m", "api"),
    "postgres": ("-D",),
    "simulator": ("-m", "cks.providers.simulated"),
    "temporal": ("server", "start-dev"),
    "worker": ("-m", "worker"),
}
"""Each program's name in what the stack tells, and words of its command line alone."""


def surroundings_of(folder: Path) -> dict[str, str]:
    """Free ports and a folder of its own; nothing of a stack that may run here already."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("CKS_", "TEMPORAL_"))}
    free = zip(SERVERS, free_ports(len(SERVERS)), strict=True)
    ports = {f"CKS_{server}_PORT": str(port) for server, port in free}
    return inherited | ports | {"CKS_DEV_DIR": str(folder / "dev")}


@contextmanager
def running(surroundings: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a stack, ready inside the block; it is gone after it, however the test ends."""
    folder = Path(surroundings["CKS_DEV_DIR"])
    folder.mkdir(exist_ok=True)
    with (folder / "told").open("ab") as told:
        words = [sys.executable, "-m", "cks.dev"]
        stack = subprocess.Popen(
            words, env=surroundings, stdout=told, stderr=told, start_new_session=True
        )
    try:
        end = time.monotonic() + READY_SECONDS
        while not (folder / "env").exists():
            assert stack.poll() is None, report(folder)
            assert time.monotonic() < end, report(folder)
            time.sleep(0.1)
        yield stack
    finally:
        stack.kill()
        stack.wait()
        gone(folder, STOP_SECONDS)


def report(folder: Path) -> str:
    """What the stack told, and the logs of its programs."""
    logs = [folder / "told", *(folder / "logs").glob("*.log")]
    return "\n".join(f"{log.name}:\n{log.read_text()[-2000:]}" for log in logs)


def members(folder: Path) -> list[Path]:
    """Return the living processes that inherited this stack's folder."""
    mark, found = f"CKS_DEV_DIR={folder}\0".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (process / "environ").read_bytes():
                found.append(process)
    return found


def gone(folder: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while members(folder) and time.monotonic() < end:
        time.sleep(0.05)
    return not members(folder)


def process_of(folder: Path, program: str) -> int:
    """Return the number of the process that runs a program of the stack."""
    for process in members(folder):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().decode().split("\0")
            if set(PROGRAMS[program]) <= set(words):
                return int(process.name)
    raise LookupError(f"nothing runs {program}: {report(folder)}")


def starts(folder: Path, program: str) -> int:
    """Return how often the stack told that a program is ready."""
    return len(re.findall(rf" {program} is ready after", (folder / "told").read_text()))


def mortals(folder: Path) -> set[str]:
    """Return the programs that died at least once."""
    return set(re.findall(r" (\w+) (?:was ended|ended) .*;", (folder / "told").read_text()))


def exports(folder: Path) -> dict[str, str]:
    return dict(re.findall(r"^export (\w+)='(.*)'$", (folder / "env").read_text(), re.MULTILINE))
