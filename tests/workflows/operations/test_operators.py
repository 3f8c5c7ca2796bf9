"""What operators do to a run in Temporal's UI, on the real server."""

import asyncio
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    PauseWorkflowExecutionRequest,
    ResetActivityRequest,
    UnpauseWorkflowExecutionRequest,
)
from temporalio.client import Client

from cks.db.admin.tenants import Founded
from cks.domain.operations.lifecycle import OperationStatus, StepStatus
from cks.domain.operations.state import OperationState
from cks.providers.simulated.wire import Call, FaultKind
from tests.conftest import Urls
from tests.support.site import Site, reset, site

WHOLE = ["addons", "control_plane", "network", "node", "node", "node_pool"]


async def hanging(ours: Site, call: Call) -> OperationState:
    operation = await ours.order()
    await ours.fault(operation, call, FaultKind.HANG, 1)
    await ours.relay.relay()
    await ours.until_asked(operation, call)
    return operation


async def test_a_run_reset_to_its_beginning_goes_on_and_doubles_nothing(ours: Site) -> None:
    operation = await hanging(ours, Call.ENSURE_CONTROL_PLANE)
    before = (await ours.rows(operation)).operation
    await reset(ours, operation.workflow_id or "", before.run_id or "", 0)
    await ours.until(lambda rows: rows.operation.run_id != before.run_id, operation)
    await ours.desk.clear_faults()
    rows = await ours.ended(operation)

    assert rows.operation.status is OperationStatus.COMPLETED
    assert (rows.operation.fence or 0) > (before.fence or 0)
    assert await ours.kinds_alive(operation) == WHOLE
    assert (await ours.effects(operation, Call.ENSURE_CONTROL_PLANE)).count("created") == 1


async def test_a_run_reset_while_it_was_undone_finds_only_the_way_back(ours: Site) -> None:
    operation = await hanging(ours, Call.ENSURE_ADDONS)
    before = (await ours.rows(operation)).operation
    await ours.cancel(operation)
    await ours.relay.relay()
    await ours.until(lambda rows: rows.operation.ending is not None, operation)
    await reset(ours, operation.workflow_id or "", before.run_id or "", 0)
    rows = await ours.ended(operation)
    await ours.desk.clear_faults()

    assert rows.operation.status is OperationStatus.CANCELLED
    assert await ours.kinds_alive(operation) == []


async def test_a_paused_run_goes_on_where_it_stood(ours: Site) -> None:
    operation = await hanging(ours, Call.ENSURE_NETWORK)
    service, namespace = ours.temporal.workflow_service, ours.temporal.namespace
    workflow_id, why = operation.workflow_id or "", "a closer look"
    await service.pause_workflow_execution(
        PauseWorkflowExecutionRequest(
            namespace=namespace, workflow_id=workflow_id, reason=why, request_id=uuid4().hex
        )
    )
    await ours.desk.clear_faults()
    await asyncio.sleep(1)
    paused = (await ours.rows(operation)).operation
    await ours.reconciler.reconcile(0)
    assert paused.status is OperationStatus.RUNNING
    assert await ours.effects(operation, Call.ENSURE_CONTROL_PLANE) == []

    await service.unpause_workflow_execution(
        UnpauseWorkflowExecutionRequest(
            namespace=namespace, workflow_id=workflow_id, reason=why, request_id=uuid4().hex
        )
    )
    rows = await ours.ended(operation)
    assert rows.operation.status is OperationStatus.COMPLETED
    assert await ours.kinds_alive(operation) == WHOLE


@pytest.mark.trial
async def test_an_activity_whose_attempts_were_reset_goes_on(
    urls: Urls, temporal: Client, founded: Founded, cloud_url: str
) -> None:
    """They count from one again; what is done is heard once they have passed the old ones."""
    async with site(urls, temporal, founded, cloud_url, step_budget_seconds=20) as ours:
        operation = await ours.order()
        await ours.fault(operation, Call.ENSURE_CONTROL_PLANE, FaultKind.ERROR, 3)
        await ours.relay.relay()
        await ours.until(lambda rows: rows.operation.step("control_plane").attempt == 3, operation)
        await asyncio.sleep(0.5)
        await temporal.workflow_service.reset_activity(
            ResetActivityRequest(
                namespace=temporal.namespace,
                execution=WorkflowExecution(workflow_id=operation.workflow_id or ""),
                type="create_control_plane",
            )
        )
        rows = await ours.ended(operation)
        assert rows.operation.status is OperationStatus.COMPLETED
        assert {step.status for step in rows.operation.steps} == {StepStatus.COMPLETED}
        assert rows.cluster.endpoint
        assert await ours.kinds_alive(operation) == WHOLE


@pytest.mark.trial
async def test_a_run_with_four_thousand_events_goes_on(
    urls: Urls, temporal: Client, founded: Founded, cloud_url: str
) -> None:
    """Somebody's script signals a run all night; the plan itself makes 155 events at most."""
    async with site(urls, temporal, founded, cloud_url, provider_timeout_seconds=60) as ours:
        operation = await hanging(ours, Call.ENSURE_ADDONS)
        handle = ours.run_of(operation)
        for _ in range(41):
            await asyncio.gather(*(handle.signal("hello") for _ in range(100)))
        await ours.desk.clear_faults()
        rows = await ours.ended(operation)
        assert rows.operation.status is OperationStatus.COMPLETED
        assert await ours.kinds_alive(operation) == WHOLE
        assert len((await handle.fetch_history()).events) > 4000
