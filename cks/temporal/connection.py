"""How Temporal's frontend is reached, and how a namespace is prepared for us.

The SDK's own variables configure it (``temporalio.envconfig``): address, namespace, TLS, client
certificate, API key.  API, worker, ``cks admin`` and ``make dev`` read them here.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

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
from temporalio.envconfig import ClientConfigProfile, ClientConnectConfig
from temporalio.service import RPCError, RPCStatusCode

from cks.settings import BadSettings
from cks.temporal.engine import SEARCH_ATTRIBUTES

ADDRESS, NAMESPACE = "127.0.0.1:7233", "cks"
FILE = ("TEMPORAL_CONFIG_FILE", "TEMPORAL_PROFILE")
SWITCH = "TEMPORAL_TLS"
RETENTION = timedelta(hours=720)
KNOWN_SECONDS = 30


def read(environment: Mapping[str, str]) -> ClientConnectConfig:
    """Return the arguments of ``Client.connect``.

    A configuration file is read only if a variable asks for it: by default the SDK would read one
    from the home directory, which is no place for a service's settings.  Raise ``BadSettings`` for
    an invalid value.
    """
    given = {name: value for name, value in environment.items() if value}
    if given.get(SWITCH, "true").lower() not in ("true", "false", "1", "0"):
        raise BadSettings(f"{SWITCH}={given[SWITCH]}: must be true or false")
    try:
        profile = ClientConfigProfile.load(
            disable_file=not any(name in given for name in FILE), override_env_vars=given
        )
        config = profile.to_client_connect_config()
    except OSError as error:
        raise BadSettings(f"TEMPORAL_TLS_*: {error.filename}: {error.strerror}") from error
    except RuntimeError as error:
        said = str(error).splitlines()[0]
        raise BadSettings(f"TEMPORAL_*: {said}") from error
    host, _, port = config.setdefault("target_host", ADDRESS).rpartition(":")
    if not host or not port.isdecimal():
        raise BadSettings(f"TEMPORAL_ADDRESS={config['target_host']}: must be host:port")
    config.setdefault("namespace", NAMESPACE)
    return config


@dataclass(frozen=True, slots=True)
class Poller:
    """A worker (``pid@host``) and when it last asked for work."""

    identity: str
    last_access_at: datetime

    @property
    def host(self) -> str:
        return self.identity.rpartition("@")[2]


async def pollers(client: Client, task_queue: str) -> list[Poller]:
    """Return the workers that asked a task queue for work in the last minutes."""
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    return [
        Poller(poller.identity, poller.last_access_time.ToDatetime(UTC))
        for poller in described.pollers
    ]


async def prepare(client: Client) -> None:
    """Create or update the namespace, its retention and our search attributes; safe to repeat.

    It takes a while until every part of the server knows a new namespace, hence the retries.
    """
    await _ensure_namespace(client)
    async with asyncio.timeout(KNOWN_SECONDS):
        while True:
            try:
                await _ensure_search_attributes(client)
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise
                await asyncio.sleep(0.5)
            else:
                return


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
    missing = {key.name for key in SEARCH_ATTRIBUTES} - set(known.custom_attributes)
    if missing:
        keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=client.namespace,
                search_attributes=dict.fromkeys(sorted(missing), keyword),
            )
        )
