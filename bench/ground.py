"""The servers that a benchmark stands on, each a process of its own on a free port.

PostgreSQL runs with its own defaults (it syncs what it commits), Temporal as ``make dev`` runs
it; their data is gone afterwards.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from temporalio.envconfig import ClientConnectConfig
from temporalio.service import RPCError

from cks.db.admin import migrate
from cks.db.admin.logins import let_in, passwords_of
from cks.dev import postgres
from cks.dev import temporal as engine
from cks.dev.surroundings import Trouble
from tests.support.servers import free_port, free_ports, open_folder

PASSWORD = "bench"  # noqa: S105
PATIENCE_SECONDS = 30
TAIL = 2000
NAMESPACE = "cks"
NOT_YET = (OSError, asyncpg.PostgresError, Trouble, RPCError)


@dataclass(frozen=True, slots=True)
class Urls:
    """How the database is reached, as each of its logins."""

    owner: str
    app: str
    dispatch: str


@asynccontextmanager
async def database() -> AsyncIterator[Urls]:
    """Run a PostgreSQL with the newest schema in it."""
    with open_folder() as folder:
        server = postgres.find(folder / "data", free_port())
        server.initialise(PASSWORD)
        command = server.command("log_min_messages=fatal")
        with _running(command, user=server.user, cwd=server.data):
            urls = Urls(*(server.url(PASSWORD, r) for r in ("postgres", "cks_app", "cks_dispatch")))
            await until(lambda: _answers(urls.owner))
            await migrate.upgrade(urls.owner)
            await let_in(urls.owner, passwords_of(urls.app, urls.dispatch))
            yield urls


async def _answers(url: str) -> None:
    await (await asyncpg.connect(url, timeout=5)).close()


async def execute(urls: Urls, *statements: str) -> None:
    """Run statements as the superuser."""
    connection = await asyncpg.connect(urls.owner)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


@asynccontextmanager
async def temporal() -> AsyncIterator[str]:
    """Run a Temporal server that knows our namespace; yield its address."""
    port, ui_port = free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "temporal.db"
        with _running(engine.command(engine.find(), store, port, ui_port, NAMESPACE)):
            address = f"127.0.0.1:{port}"
            profile = ClientConnectConfig(target_host=address, namespace=NAMESPACE)
            await until(lambda: engine.bootstrap(profile))
            yield address


@asynccontextmanager
async def cloud() -> AsyncIterator[str]:
    """Run the simulated cloud, in which everything is ready at once; yield its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        words = ["--port", str(port), "--data", f"{folder}/cloud.db", "--speed", "1000000000"]
        words += ["--quota-nodes", "1000000", "--capacity", "100000000"]
        with _running([sys.executable, "-m", "cks.providers.simulated", *words]):
            await until(lambda: _listens(port))
            yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def serving(module: str, urls: Urls) -> AsyncIterator[int]:
    """Run ``python -m module PORT``; yield the port that it listens on."""
    port = free_port()
    with process(module, urls, {}, str(port)):
        await until(lambda: _listens(port))
        yield port


@contextmanager
def process(module: str, urls: Urls, variables: Mapping[str, str], *words: str) -> Iterator[int]:
    """Run ``python -m module`` with the database's URLs in its environment; yield its id.

    It keeps what it compiles, whatever the environment says: each run of a workflow imports.
    """
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment = inherited | {
        "CKS_DATABASE_URL": urls.owner,
        "CKS_APP_DATABASE_URL": urls.app,
        "CKS_DISPATCH_DATABASE_URL": urls.dispatch,
        **variables,
    }
    with _running([sys.executable, "-m", module, *words], environment=environment) as number:
        yield number


@contextmanager
def _running(
    command: list[str],
    *,
    user: str | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Run a program for as long as the block lasts; what it told is shown if that fails."""
    with tempfile.TemporaryFile() as params:
        running = subprocess.Popen(  # noqa: S603
            command, user=user, cwd=cwd, env=environment, stdout=params, stderr=params
        )
        try:
            yield running.pid
        except Exception:
            params.seek(0)
            sys.stderr.write(params.read()[-TAIL:].decode(errors="replace"))
            raise
        finally:
            _stop(running)


def _stop(running: subprocess.Popen[bytes]) -> None:
    """Ask it to end; one that does not is killed, since it keeps nothing that is worth a wait."""
    running.send_signal(signal.SIGINT)
    try:
        running.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


async def _listens(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


async def until(ready: Callable[[], Awaitable[None]]) -> None:
    """Ask until it is ready; raise what it said last when that takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            await ready()
        except NOT_YET:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return
