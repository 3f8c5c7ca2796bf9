"""Runs that no row knows are named to their tenants, on the real servers."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from temporalio.client import Client, WorkflowFailureError

from api.background.lost_operations import LostOperations
from api.background.metrics import Repair
from api.background.relay import launch_of
from cks.db.dispatch import Dispatch
from cks.db.models.activity import ActivityLog
from cks.domain.operations.lifecycle import OperationRef
from cks.domain.registry import RUN_BY_WORKFLOWS
from cks.temporal.engine import EngineAway, Temporal, Trace, connect
from tests.support.site import SECONDS, Site

AGO = timedelta(minutes=5)
LINES = sa.select(ActivityLog).where(ActivityLog.action == Repair.ROW_LOST)


async def lines(ours: Site) -> list[ActivityLog]:
    async with ours.database.begin(ours.caller.tenant_id) as session:
        return list(await session.scalars(LINES))


async def start_without_row(ours: Site, temporal: Client, tenant_id: UUID) -> Trace:
    """Start a run for an operation that no row knows, and return it when it can be listed."""
    known = launch_of(await ours.order())
    ref, cluster_id = OperationRef(tenant_id, uuid4()), uuid4()
    engine = Temporal(temporal, uuid4().hex)
    launch = replace(
        known,
        input=replace(known.input, operation=ref),
        cluster_id=cluster_id,
        workflow_id=f"cluster.create/{ref.id}",
    )
    await engine.start(launch, again=False)
    async with asyncio.timeout(SECONDS):
        while True:
            async for page in engine.pages_since(AGO, 100, RUN_BY_WORKFLOWS):
                for trace in page:
                    if trace.operation_id == str(ref.id):
                        return trace
            await asyncio.sleep(0.1)


async def test_a_run_without_a_row_is_told_to_its_tenant_once(
    ours: Site, temporal: Client, dispatch: Dispatch
) -> None:
    trace = await start_without_row(ours, temporal, ours.caller.tenant_id)
    lost = LostOperations(ours.database, dispatch, ours.engine)
    await lost.name(AGO)
    await lost.name(AGO)
    (line,) = await lines(ours)
    assert str(line.resource_id) == trace.cluster_id
    assert (line.detail or {})["operation_id"] == trace.operation_id
    assert (line.actor_type, line.resource_type) == ("system", "cluster")


async def test_what_has_a_row_is_not_told(ours: Site, dispatch: Dispatch) -> None:
    operation = await ours.order()
    await ours.ended(operation)
    await LostOperations(ours.database, dispatch, ours.engine).name(AGO)
    assert await lines(ours) == []


async def test_a_tenant_that_was_lost_too_holds_up_no_other(
    ours: Site, temporal: Client, dispatch: Dispatch, caplog: pytest.LogCaptureFixture
) -> None:
    await start_without_row(ours, temporal, uuid4())
    await start_without_row(ours, temporal, ours.caller.tenant_id)
    await LostOperations(ours.database, dispatch, ours.engine).name(AGO)
    assert len(await lines(ours)) == 1
    assert caplog.messages.count(Repair.ROW_LOST) >= 2


async def test_a_server_that_is_away_is_no_bug(ours: Site, dispatch: Dispatch) -> None:
    nobody = Temporal(await connect({"target_host": "127.0.0.1:1"}), "cks")
    with pytest.raises(EngineAway):
        await LostOperations(ours.database, dispatch, nobody).name(AGO)


async def test_a_run_that_no_row_knows_fails_so_that_it_is_seen(ours: Site) -> None:
    known = launch_of(await ours.order())
    ref = OperationRef(ours.caller.tenant_id, uuid4())
    workflow_id = f"cluster.create/{ref.id}"
    unknown = replace(known, input=replace(known.input, operation=ref), workflow_id=workflow_id)
    await ours.engine.start(unknown, again=False)
    with pytest.raises(WorkflowFailureError):
        await ours.temporal.get_workflow_handle(workflow_id).result()
