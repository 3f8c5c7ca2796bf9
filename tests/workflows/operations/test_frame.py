"""What the frame of every run can do, also where no type asks for it yet, on the real server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

import worker
from api.background.relay import launch_of
from cks.db.admin.tenants import Founded
from cks.db.registry import EFFECTS
from cks.domain.operations.lifecycle import OperationStatus, StepStatus
from cks.domain.operations.state import OperationState
from cks.domain.operations.types import OnFailure
from cks.domain.refusals import NotCancellable
from cks.domain.registry import TYPES
from cks.providers.simulated.wire import Call, FaultKind
from tests.conftest import Urls
from tests.support.frames import Persists, Stops
from tests.support.requests import pool
from tests.support.site import Site, site
from workflows.operation_run import PAUSE, RESUME

Opened = Callable[[type, OnFailure], AbstractAsyncContextManager[Site]]


@pytest.fixture
def opened(
    urls: Urls,
    temporal: Client,
    founded: Founded,
    cloud_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Opened:
    """Open a site whose worker carries out ``cluster.create`` as a type of another kind."""

    @asynccontextmanager
    async def open_one(workflow: type, on_failure: OnFailure) -> AsyncIterator[Site]:
        name = "cluster.create"
        monkeypatch.setattr(worker, "WORKFLOWS", (workflow,))
        monkeypatch.setitem(TYPES, name, replace(TYPES[name], on_failure=on_failure))
        async with site(urls, temporal, founded, cloud_url) as ours:
            yield ours

    return open_one


async def scheduled(ours: Site, operation: OperationState) -> list[str]:
    history = await ours.run_of(operation).fetch_history()
    kind = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    found = [event for event in history.events if event.event_type == kind]
    return [e.activity_task_scheduled_event_attributes.activity_type.name for e in found]


async def test_one_that_stops_undoes_nothing(opened: Opened) -> None:
    async with opened(Stops, OnFailure.STOP) as ours:
        operation = await ours.order()
        await ours.fault(operation, Call.ENSURE_ADDONS, FaultKind.ERROR, 1000)
        rows = await ours.ended(operation)
        assert rows.operation.status is OperationStatus.FAILED
        assert rows.snapshots[1]["cancel"]["effect"] == "stops_at_boundary"
        assert (await scheduled(ours, operation))[-2:] == ["turn_back", "settle_operation"]
        assert "node_pool" in await ours.kinds_alive(operation)


async def test_one_that_stops_does_so_after_the_stage_that_runs(opened: Opened) -> None:
    async with opened(Stops, OnFailure.STOP) as ours:
        operation = await ours.order()
        await ours.fault(operation, Call.ENSURE_CONTROL_PLANE, FaultKind.HANG, 1)
        await ours.relay.relay()
        await ours.until_asked(operation, Call.ENSURE_CONTROL_PLANE)
        await ours.cancel(operation)
        rows = await ours.ended(operation)
        await ours.desk.clear_faults()
        assert rows.operation.status is OperationStatus.CANCELLED
        assert await ours.effects(operation, Call.ENSURE_NODE_POOL) == []
        assert await ours.effects(operation, Call.DELETE_NETWORK) == []


async def test_one_that_goes_only_forward_is_ended_by_no_cancel_and_no_failing_call(
    opened: Opened,
) -> None:
    async with opened(Persists, OnFailure.PERSIST) as ours:
        operation = await ours.order()
        await ours.fault(operation, Call.ENSURE_CONTROL_PLANE, FaultKind.ERROR, 4)
        await ours.relay.relay()
        await ours.until_asked(operation, Call.ENSURE_CONTROL_PLANE)
        with pytest.raises(NotCancellable):
            await ours.cancel(operation)
        await ours.run_of(operation).cancel()
        rows = await ours.ended(operation)
        assert rows.operation.status is OperationStatus.COMPLETED
        assert rows.operation.steps[1].attempt == 5
        assert rows.snapshots[1]["cancel"]["possible"] is False


KEPT = sa.text("""
UPDATE operations SET request = request || '{"on_failure": "hold"}' WHERE id = :id
""")


async def nothing(*_: object) -> None:
    """Show nothing: no type says yet what a resource that is held looks like."""


async def test_one_that_is_to_be_held_keeps_what_it_made_and_has_not_turned_back(
    ours: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = "cluster.create"
    monkeypatch.setitem(EFFECTS, kind, replace(EFFECTS[kind], hold=nothing))
    operation = await ours.order()
    async with ours.database.begin(ours.caller.tenant_id) as session:
        await session.execute(KEPT, {"id": operation.id})
    await ours.fault(operation, Call.ENSURE_ADDONS, FaultKind.ERROR, 2)
    rows = await ours.ended(operation)

    assert rows.operation.status is OperationStatus.FAILED
    assert rows.operation.ending is None
    assert rows.operation.held_until
    assert rows.snapshots[-1]["phase"] == "held"
    assert (rows.operation.failure or {})["code"] == "provider_unavailable"
    assert rows.operation.steps[3].status is StepStatus.FAILED
    assert not rows.claims
    assert "node_pool" in await ours.kinds_alive(operation)
    assert (await scheduled(ours, operation))[-1] == "hold_operation"


async def test_what_no_type_can_hold_is_undone(ours: Site) -> None:
    operation = await ours.order()
    async with ours.database.begin(ours.caller.tenant_id) as session:
        await session.execute(KEPT, {"id": operation.id})
    await ours.fault(operation, Call.ENSURE_ADDONS, FaultKind.ERROR, 2)
    rows = await ours.ended(operation)
    assert rows.operation.ending == "failed"
    assert await ours.kinds_alive(operation) == []


async def held(ours: Site) -> OperationState:
    """Return an operation whose run is paused, and has done all that it does meanwhile."""
    operation = await ours.order()
    await ours.fault(operation, Call.ENSURE_CONTROL_PLANE, FaultKind.HANG, 1)
    await ours.relay.relay()
    await ours.until_asked(operation, Call.ENSURE_CONTROL_PLANE)
    await ours.run_of(operation).signal(PAUSE)
    await ours.desk.clear_faults()
    await ours.until(lambda rows: rows.operation.steps[1].status is StepStatus.COMPLETED, operation)
    await asyncio.sleep(0.3)
    assert await ours.effects(operation, Call.ENSURE_NODE_POOL) == []
    return operation


async def test_one_that_is_paused_holds_between_two_stages_until_it_is_resumed(ours: Site) -> None:
    operation = await held(ours)
    await ours.run_of(operation).signal(RESUME)
    rows = await ours.ended(operation)
    assert rows.operation.status is OperationStatus.COMPLETED


async def test_one_that_is_paused_hears_a_cancel(ours: Site) -> None:
    operation = await held(ours)
    await ours.cancel(operation)
    rows = await ours.ended(operation)
    assert rows.operation.status is OperationStatus.CANCELLED
    assert await ours.kinds_alive(operation) == []


async def test_a_run_may_belong_to_no_cluster(ours: Site) -> None:
    """As the closing of a billing period will: operators find it by its operation and tenant."""
    operation = replace(await ours.order(), cluster_id=None)
    known = {pair.key.name for pair in launch_of(operation).search_attributes()}
    assert known == {"CksTenantId", "CksOperationId", "CksOperationType"}


def former_input(operation: OperationState) -> dict[str, Any]:
    """Return what runs were given before revision 0016: everything but stages and actions."""
    fields = ("name", "title", "limit_seconds")
    return {
        "operation": {"tenant_id": str(operation.tenant_id), "id": str(operation.id)},
        "cluster_id": str(operation.cluster_id),
        "version": "1.35.8",
        "pod_cidr": "10.244.0.0/16",
        "service_cidr": "10.96.0.0/16",
        "pools": [],
        "steps": [{name: getattr(step, name) for name in fields} for step in operation.steps],
    }


@pytest.mark.parametrize("fails", [False, True])
async def test_a_run_of_the_former_version_goes_on_under_this_one(ours: Site, fails: bool) -> None:  # noqa: FBT001
    operation = await ours.order(pool("small", 1), pool("large", 3))
    if fails:
        await ours.fault(operation, Call.ENSURE_ADDONS, FaultKind.ERROR, 2)
    await ours.temporal.start_workflow(
        "ProvisionCluster",
        former_input(operation),
        id=operation.workflow_id,
        task_queue=ours.engine._task_queue,
    )
    rows = await ours.ended(operation)
    expected = OperationStatus.FAILED if fails else OperationStatus.COMPLETED
    assert rows.operation.status is expected
    assert (await ours.kinds_alive(operation)).count("node") == (0 if fails else 4)
