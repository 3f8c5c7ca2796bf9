"""A real PostgreSQL for the tests, gone when they are."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cks.dev.postgres import Postgres, find

PASSWORD = "tests"  # noqa: S105
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")
STARTING_SECONDS = 30


def free_ports(count: int) -> list[int]:
    """Return ports that are free, no two the same: all are held until the last is found."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def free_port() -> int:
    return free_ports(1)[0]


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that PostgreSQL's user reaches: pytest's own are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="cks-tests-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def postgres(prefer: Path | None = None) -> Iterator[Postgres]:
    """Start a server on a free port; ``prefer`` names a folder of binaries."""
    with open_folder() as folder:
        server = find(folder / "data", free_port(), prefer=prefer)
        server.initialise(PASSWORD)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                server.command(*QUICK), user=server.user, cwd=server.data, stdout=log, stderr=log
            )
        try:
            await_server(server, process)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # at once, whoever is still connected
            process.wait(STARTING_SECONDS)


def await_server(server: Postgres, process: subprocess.Popen[bytes]) -> None:
    """Wait until it takes connections: an open port may still be starting up."""
    ask = [str(server.bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(server.port)]
    deadline = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if subprocess.run(ask, check=False).returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL does not answer on port {server.port}")
