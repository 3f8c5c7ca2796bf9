"""One tenant's order on the real servers, and all that works on it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle

from api.background.deadline_keeper import DeadlineKeeper
from api.background.reconciler import Reconciler
from api.background.relay import Relay
from cks.db.admin.tenants import Founded
from cks.db.clusters.creation import accept_create
from cks.db.clusters.pool_update import accept_update
from cks.db.clusters.pools import spec_of
from cks.db.dispatch import Dispatch, Found
from cks.db.models.activity import ActivityLog
from cks.db.models.clusters import Cluster, Node, NodePool
from cks.db.models.operations import Operation, OperationClaim, OperationEvent
from cks.db.operations import cancelling, operations
from cks.db.session import Database
from cks.domain.access.permissions import Caller
from cks.domain.clusters.pool_update import UpdateNodePool
from cks.domain.clusters.pools import PoolSpec
from cks.domain.operations.deadlines import Allowance
from cks.domain.operations.lifecycle import OperationSnapshot
from cks.domain.operations.state import OperationState
from cks.domain.operations.steps import orphans_among
from cks.providers.base import Provider
from cks.providers.simulated.client import OperatorDesk, SimulatedCloud
from cks.providers.simulated.wire import Call, FaultKind, FaultOrder
from cks.settings import Settings
from cks.temporal.engine import Temporal
from tests.conftest import Urls
from tests.support.requests import new_cluster
from worker import build_worker

SECONDS = 30
IMPATIENT = {"step_budget_seconds": 0.3, "provider_timeout_seconds": 5}


class DispatchOfTenant(Dispatch):
    """Finds nothing but one tenant's operations, so that tests leave each other alone."""

    def __init__(self, url: str, tenant_id: UUID) -> None:
        super().__init__(url)
        self.tenant_id = tenant_id

    async def _find(self, *conditions: sa.ColumnElement[bool], **options: Any) -> Sequence[Found]:
        ours = Operation.tenant_id == self.tenant_id
        return await super()._find(*conditions, ours, **options)


@dataclass(frozen=True, slots=True)
class Rows:
    """What the database says in the end."""

    operation: OperationState
    cluster: Cluster
    pools: Sequence[NodePool]
    nodes: Sequence[Node]
    claims: Sequence[OperationClaim]
    snapshots: Sequence[OperationSnapshot]
    outcomes: Sequence[ActivityLog]


@dataclass(frozen=True, slots=True)
class Site:
    database: Database
    desk: OperatorDesk
    relay: Relay
    reconciler: Reconciler
    keeper: DeadlineKeeper
    temporal: Client
    engine: Temporal
    caller: Caller
    allowance: Allowance

    async def order(self, *pools: PoolSpec) -> OperationState:
        """Accept a cluster as the API does; nobody has started anything yet."""
        asked = new_cluster(*pools)
        async with self.database.begin(self.caller.tenant_id) as session:
            at = await operations.instant(session)
            made = await accept_create(session, self.caller, asked, self.allowance, at)
            return await operations.read(session, made.id)

    async def running(self, *pools: PoolSpec) -> OperationState:
        """Return the completed operation that made a running cluster."""
        operation = await self.order(*pools)
        await self.ended(operation)
        return operation

    async def update(self, cluster: OperationState, name: str, **changes: Any) -> OperationState:
        """Accept the update of a pool as the API does; nobody has started anything yet."""

        def change(found: NodePool) -> UpdateNodePool:
            now = spec_of(found)
            fields = ("labels", "taints", "min_nodes", "max_nodes")
            said = {field: changes.get(field, getattr(now, field)) for field in fields}
            return UpdateNodePool(**said, pool=now, version=found.version)

        async with self.database.begin(self.caller.tenant_id) as session:
            at = await operations.instant(session)
            wanted = cluster.resource_id, name
            made = await accept_update(session, self.caller, wanted, change, self.allowance, at)
            return await operations.read(session, made.id)

    async def cancel(self, operation: OperationState) -> None:
        async with self.database.begin(self.caller.tenant_id) as session:
            await cancelling.request_cancel(session, operation.id)

    async def fault(
        self, operation: OperationState, call: Call, kind: FaultKind, times: int
    ) -> None:
        await self.desk.add_fault(
            FaultOrder(call=call, kind=kind, times=times, cluster_id=operation.cluster_id)
        )

    def run_of(self, operation: OperationState) -> WorkflowHandle[object, object]:
        return self.temporal.get_workflow_handle(operation.workflow_id or "")

    async def ended(self, operation: OperationState) -> Rows:
        """Relay until the operation has ended and its run too, and return the rows."""
        async with asyncio.timeout(SECONDS):
            while True:
                await self.relay.relay()
                latest = await self.engine.latest_run(operation.workflow_id or "")
                if latest is None or latest.closed:
                    rows = await self.rows(operation)
                    if rows.operation.completed_at:
                        return rows
                await asyncio.sleep(0.05)

    async def swept(self, operation: OperationState) -> Rows:
        """Reconcile until nothing is left of an ended operation, and return the rows."""
        async with asyncio.timeout(SECONDS):
            while orphans_among((await self.rows(operation)).operation.steps):
                await self.reconciler.reconcile()
                await asyncio.sleep(0.1)
        return await self.rows(operation)

    async def rows(self, operation: OperationState) -> Rows:
        cluster_id = operation.cluster_id
        async with self.database.begin(self.caller.tenant_id) as session:
            pools = sa.select(NodePool).where(NodePool.cluster_id == cluster_id)
            nodes = sa.select(Node).join(NodePool, NodePool.id == Node.node_pool_id)
            claims = sa.select(OperationClaim).where(OperationClaim.operation_id == operation.id)
            told = sa.select(OperationEvent.event).where(
                OperationEvent.operation_id == operation.id
            )
            logged = sa.select(ActivityLog).where(
                ActivityLog.resource_id == operation.resource_id,
                ActivityLog.actor_type == "workflow",
            )
            return Rows(
                await operations.read(session, operation.id),
                await session.get_one(Cluster, cluster_id),
                (await session.scalars(pools)).all(),
                (await session.scalars(nodes.where(NodePool.cluster_id == cluster_id))).all(),
                (await session.scalars(claims)).all(),
                (await session.scalars(told.order_by(OperationEvent.seq))).all(),  # type: ignore[arg-type]
                (await session.scalars(logged)).all(),
            )

    async def kinds_alive(self, operation: OperationState) -> list[str]:
        """Return the kind of each thing of the cluster that lives in the cloud."""
        ledger = await self.desk.ledger(operation.cluster_id)
        return sorted(record.kind for record in ledger.resources)

    async def effects(self, operation: OperationState, call: Call) -> list[str | None]:
        """Return what came of each call of that name."""
        calls = (await self.desk.ledger(operation.cluster_id)).calls
        return [record.effect for record in calls if record.call is call]

    async def until(self, happened: Callable[[Rows], bool], operation: OperationState) -> None:
        async with asyncio.timeout(SECONDS):
            while not happened(await self.rows(operation)):
                await self.relay.relay()
                await asyncio.sleep(0.02)

    async def until_asked(self, operation: OperationState, call: Call, times: int = 0) -> None:
        """Wait until the cloud was asked more often than that."""
        async with asyncio.timeout(SECONDS):
            while len(await self.effects(operation, call)) <= times:
                await asyncio.sleep(0.02)


async def reset(ours: Site, workflow_id: str, run_id: str, task: int) -> None:
    """Let another run take over after the ``task``-th workflow task of a run."""
    handle = ours.temporal.get_workflow_handle(workflow_id, run_id=run_id)
    events = (await handle.fetch_history()).events
    done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    places = [event.event_id for event in events if event.event_type == done]
    await ours.temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=ours.temporal.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            request_id=str(uuid4()),
            workflow_task_finish_event_id=places[task],
        )
    )


@dataclass(frozen=True, slots=True)
class Crew:
    """A worker at work, its settings, and its way into the database."""

    given: Settings
    database: Database


@asynccontextmanager
async def crew(
    urls: Urls,
    temporal: Client,
    cloud_url: str,
    disturbed: Callable[[Provider], Provider] = lambda provider: provider,
    **settings: Any,
) -> AsyncIterator[Crew]:
    """Put a worker to work; ``disturbed`` may wrap what it asks of the cloud."""
    given = Settings(**{"task_queue": uuid4().hex, "poll_seconds": 0.02, **IMPATIENT, **settings})
    database, dispatch = Database(urls.app, given.pool_size), Dispatch(urls.dispatch)
    cloud = SimulatedCloud(cloud_url, given.provider_timeout_seconds)
    try:
        async with build_worker(temporal, database, dispatch, disturbed(cloud), given):
            yield Crew(given, database)
    finally:
        await cloud.close()
        await dispatch.close()
        await database.close()


@asynccontextmanager
async def opened(
    crew: Crew,
    urls: Urls,
    temporal: Client,
    founded: Founded,
    cloud_url: str,
    undo_seconds: float | None = None,
) -> AsyncIterator[Site]:
    """Open a site at which a crew works; its operations have so long to be undone."""
    database, given = crew.database, crew.given
    dispatch, desk = DispatchOfTenant(urls.dispatch, founded.tenant_id), OperatorDesk(cloud_url)
    engine = Temporal(temporal, given.task_queue)
    caller = Caller(
        founded.tenant_id, founded.user_id, "admin@acme.test", uuid4(), uuid4().hex, "", ""
    )
    try:
        relay = Relay(database, dispatch, engine)
        reconciler = Reconciler(database, dispatch, engine)
        keeper = DeadlineKeeper(database, dispatch)
        allowance = Allowance(given.provider_speed, undo_seconds or given.undo_seconds)
        yield Site(database, desk, relay, reconciler, keeper, temporal, engine, caller, allowance)
    finally:
        await desk.clear_faults()
        await desk.close()
        await dispatch.close()


@asynccontextmanager
async def site(
    urls: Urls,
    temporal: Client,
    founded: Founded,
    cloud_url: str,
    disturbed: Callable[[Provider], Provider] = lambda provider: provider,
    **settings: Any,
) -> AsyncIterator[Site]:
    """Open a site with a crew of its own."""
    async with (
        crew(urls, temporal, cloud_url, disturbed, **settings) as hands,
        opened(hands, urls, temporal, founded, cloud_url) as ours,
    ):
        yield ours
