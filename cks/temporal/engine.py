"""What the service asks of Temporal, besides running workflows.

Starting is idempotent by the workflow's id, and waits for nobody: a server that is away is an
``EngineAway`` within seconds, since whoever asks (the relay) comes again anyway.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar
from uuid import UUID, uuid4

from temporalio.api.common.v1 import WorkflowExecution as Execution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    UnpauseWorkflowExecutionRequest,
)
from temporalio.client import (
    Client,
    WorkflowExecution,
)
from temporalio.common import (
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.envconfig import ClientConnectConfig
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RetryConfig, RPCError, RPCStatusCode

from cks.domain.instants import rfc3339
from cks.domain.operations.inputs import RunInput, SweepInput

Answer = TypeVar("Answer")

CALL = timedelta(seconds=2)
PAGE = timedelta(seconds=20)
PATIENCE_SECONDS = 3.0
INTERACTIVE = 2
PAUSED = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED
COMPLETED = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED
OPEN = (WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING, PAUSED)

TENANT_ID = SearchAttributeKey.for_keyword("CksTenantId")
CLUSTER_ID = SearchAttributeKey.for_keyword("CksClusterId")
OPERATION_ID = SearchAttributeKey.for_keyword("CksOperationId")
OPERATION_TYPE = SearchAttributeKey.for_keyword("CksOperationType")
SEARCH_ATTRIBUTES = (TENANT_ID, CLUSTER_ID, OPERATION_ID, OPERATION_TYPE)


class EngineAway(Exception):  # noqa: N818
    """Temporal does not answer.  Whether it acted is unknown; asking twice acts once."""


@dataclass(frozen=True, slots=True)
class Run:
    """The newest run by a workflow's id; ``completed``: it ended by itself, without an error."""

    id: str
    closed: bool
    completed: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """What a cluster's newest run tells of it, where no row does any more."""

    workflow_id: str
    tenant_id: str | None
    cluster_id: str | None
    operation_id: str | None
    started_at: str


@dataclass(frozen=True, slots=True)
class Launch:
    """A run to start: which workflow, with which input, and how operators will see it.

    ``workflow`` is the name under which a worker registers it.  ``summary`` is one line,
    ``details`` markdown.  Only these two name a tenant's things.
    """

    workflow: str
    input: RunInput | SweepInput
    workflow_id: str
    operation_type: str
    cluster_id: UUID | None
    summary: str
    details: str

    def search_attributes(self) -> TypedSearchAttributes:
        said = {
            TENANT_ID: str(self.input.operation.tenant_id),
            OPERATION_ID: str(self.input.operation.id),
            OPERATION_TYPE: self.operation_type,
            **({CLUSTER_ID: str(self.cluster_id)} if self.cluster_id else {}),
        }
        return TypedSearchAttributes([SearchAttributePair(key, said[key]) for key in said])


class Engine(Protocol):
    """What relay and activities need of Temporal.  Any call may raise ``EngineAway``."""

    async def start(self, launch: Launch, *, again: bool) -> None: ...
    async def cancel(self, workflow_id: str) -> None: ...
    async def terminate(self, workflow_id: str, reason: str) -> None: ...
    async def latest_run(self, workflow_id: str) -> Run | None: ...


async def connect(profile: ClientConnectConfig) -> Client:
    """Return a client that connects when it is first used, and gives up soon."""
    return await Client.connect(
        **profile,
        lazy=True,
        retry_config=RetryConfig(max_retries=2, max_elapsed_time_millis=500),
    )


class Temporal:
    """The ``Engine`` that is Temporal."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def start(self, launch: Launch, *, again: bool) -> None:
        """Start a run, unless one is open or, without ``again``, there ever was one.

        That there is one already is what we wanted: asking twice starts once.
        """
        try:
            await soon(self._start(launch, again=again))
        except WorkflowAlreadyStartedError:
            return

    async def _start(self, launch: Launch, *, again: bool) -> None:
        reuse = WorkflowIDReusePolicy
        await self._client.start_workflow(
            launch.workflow,
            launch.input,
            id=launch.workflow_id,
            task_queue=self._task_queue,
            id_reuse_policy=reuse.ALLOW_DUPLICATE if again else reuse.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=launch.search_attributes(),
            static_summary=launch.summary,
            static_details=launch.details,
            priority=Priority(
                priority_key=INTERACTIVE, fairness_key=str(launch.input.operation.tenant_id)
            ),
            rpc_timeout=CALL,
        )

    async def cancel(self, workflow_id: str) -> None:
        """Ask the open run to end.  Having none to ask is no error: it has ended.

        A run that an operator paused hears nothing until it goes on.
        """
        handle = self._client.get_workflow_handle(workflow_id)
        await _if_there(handle.cancel(rpc_timeout=CALL))
        await self._unpause(workflow_id)

    async def _unpause(self, workflow_id: str) -> None:
        status = await self._status(workflow_id)
        if status is None or status[1] != PAUSED:
            return
        request = UnpauseWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_id=workflow_id,
            run_id=status[0],
            identity="cks",
            reason="the tenant cancelled the operation",
            request_id=uuid4().hex,
        )
        service = self._client.workflow_service
        await _if_there(service.unpause_workflow_execution(request, timeout=CALL))

    async def terminate(self, workflow_id: str, reason: str) -> None:
        """End the open run without asking it.  Having none is no error."""
        handle = self._client.get_workflow_handle(workflow_id)
        await _if_there(handle.terminate(reason=reason, rpc_timeout=CALL))

    async def latest_run(self, workflow_id: str) -> Run | None:
        """Return the newest run by this id."""
        found = await self._status(workflow_id)
        if found is None:
            return None
        return Run(found[0], closed=found[1] not in OPEN, completed=found[1] == COMPLETED)

    async def _status(
        self, workflow_id: str
    ) -> tuple[str, WorkflowExecutionStatus.ValueType] | None:
        """Return the newest run's id and status; ``describe()`` chokes on a paused one."""
        request = DescribeWorkflowExecutionRequest(
            namespace=self._client.namespace, execution=Execution(workflow_id=workflow_id)
        )
        service = self._client.workflow_service
        try:
            reply = await soon(service.describe_workflow_execution(request, timeout=CALL))
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        info = reply.workflow_execution_info
        return info.execution.run_id, info.status

    async def pages_since(
        self, ago: timedelta, size: int, types: Collection[str]
    ) -> AsyncIterator[list[Trace]]:
        """Yield the runs of operations of these types that were started within that time.

        Raise ``EngineAway``.
        """
        since = rfc3339(datetime.now(UTC) - ago)
        listed = ", ".join(f"'{name}'" for name in types)
        query = f"{OPERATION_TYPE.name} IN ({listed}) AND StartTime > '{since}'"
        runs = self._client.list_workflows(query, page_size=size, rpc_timeout=PAGE)
        while True:
            await soon(runs.fetch_next_page(), PAGE.total_seconds())
            yield [_trace(run) for run in runs.current_page or ()]
            if not runs.next_page_token:
                return

    async def answers(self) -> bool:
        """Say whether the server answers now."""
        try:
            return await soon(self._client.service_client.check_health(timeout=CALL))
        except (EngineAway, RPCError):
            return False


async def trace_of(client: Client, cluster_id: UUID) -> Trace | None:
    """Return the trace of a cluster in Temporal; raise ``EngineAway``."""

    async def newest() -> Trace | None:
        query = f"{CLUSTER_ID.name} = '{cluster_id}'"
        async for run in client.list_workflows(query, limit=1):
            return _trace(run)
        return None

    return await soon(newest())


def _trace(run: WorkflowExecution) -> Trace:
    said = run.typed_search_attributes
    ids = said.get(TENANT_ID), said.get(CLUSTER_ID), said.get(OPERATION_ID)
    return Trace(run.id, *ids, rfc3339(run.start_time))


AWAY = (
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
)


async def _if_there(call: Awaitable[object]) -> None:
    try:
        await soon(call)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def soon(call: Awaitable[Answer], patience: float = PATIENCE_SECONDS) -> Answer:
    """Await a call, and raise ``EngineAway`` if Temporal does not respond.

    A lazy client's first call fails with a ``RuntimeError`` where nobody listens.
    """
    try:
        return await asyncio.wait_for(call, patience)
    except (TimeoutError, RuntimeError) as error:
        raise EngineAway(str(error) or "no answer") from error
    except RPCError as error:
        if error.status in AWAY:
            raise EngineAway(error.message) from error
        raise
