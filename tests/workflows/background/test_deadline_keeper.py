"""No operation waits for ever: not for a cloud that hangs, nor for workers that are missing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowExecutionStatus

from cks.db.admin.tenants import Founded
from cks.db.clusters.deletion import forget
from cks.db.models.operations import Operation
from cks.db.operations import operations
from cks.domain.operations.lifecycle import OperationStatus
from cks.domain.operations.state import OperationState
from cks.domain.refusals import QuotaExceeded
from cks.providers.simulated.wire import Call, FaultKind
from tests.conftest import Urls
from tests.support.site import SECONDS, Crew, Rows, Site, opened, site

OFTEN = 1000
UNDO_SECONDS = 4.0
UNDOS = (
    pytest.param(Call.DELETE_NODE_POOL, marks=pytest.mark.trial),
    pytest.param(Call.DELETE_CONTROL_PLANE, marks=pytest.mark.trial),
    Call.DELETE_NETWORK,
)
AT_ONCE = 1e9
"""A pace at which the way forward takes no time at all."""


@pytest.fixture
async def hurried(
    brisk: Crew, urls: Urls, temporal: Client, founded: Founded, cloud_url: str
) -> AsyncIterator[Site]:
    """Yield a site whose operations have some seconds to be undone."""
    async with opened(brisk, urls, temporal, founded, cloud_url, UNDO_SECONDS) as ours:
        yield ours


def said_at_last(rows: Rows) -> list[str]:
    return [orphan["kind"] for orphan in rows.snapshots[-1]["orphans"]]


def in_time(rows: Rows) -> bool:
    operation, promised = rows.operation, rows.snapshots[-1]["deadline_at"]
    assert operation.completed_at
    assert operation.deadline_at
    assert promised
    return operation.completed_at <= operation.deadline_at


async def expire(ours: Site, operation: OperationState, left: timedelta) -> None:
    """Let an operation's time run out but for a little."""
    now = sa.func.clock_timestamp()
    soon = sa.update(Operation).where(Operation.id == operation.id)
    async with ours.database.begin(ours.caller.tenant_id) as session:
        values = {"forward_until": now - timedelta(hours=1), "deadline_at": now + left}
        await session.execute(soon.values(**values))


@pytest.mark.parametrize("call", UNDOS)
async def test_what_cannot_be_undone_in_time_is_named_and_swept(hurried: Site, call: Call) -> None:
    operation = await hurried.order()
    await hurried.fault(operation, Call.ENSURE_ADDONS, FaultKind.ERROR, OFTEN)
    await hurried.fault(operation, call, FaultKind.HANG, OFTEN)
    rows = await hurried.ended(operation)

    assert rows.operation.status is OperationStatus.FAILED
    assert "removed later" in (rows.operation.error or "")
    assert in_time(rows)
    assert rows.claims == []
    assert call.removeprefix("delete_") in said_at_last(rows)
    assert await hurried.kinds_alive(operation) != []

    await hurried.desk.clear_faults()
    after = await hurried.swept(operation)
    assert await hurried.kinds_alive(operation) == []
    assert after.operation.completed_at == rows.operation.completed_at


async def test_a_cloud_that_hangs_on_every_call_keeps_nobody_waiting(hurried: Site) -> None:
    operation = await hurried.order()
    for call in Call:
        await hurried.fault(operation, call, FaultKind.HANG, OFTEN)
    rows = await hurried.ended(operation)
    assert rows.operation.status is OperationStatus.FAILED
    assert in_time(rows)
    assert said_at_last(rows) == ["network"]

    await hurried.desk.clear_faults()
    await hurried.swept(operation)
    assert await hurried.kinds_alive(operation) == []


async def test_a_cancelled_operation_stays_cancelled_with_its_orphans(hurried: Site) -> None:
    operation = await hurried.order()
    for call in (Call.ENSURE_CONTROL_PLANE, Call.DELETE_NETWORK):
        await hurried.fault(operation, call, FaultKind.HANG, OFTEN)
    await hurried.relay.relay()
    await hurried.until_asked(operation, Call.ENSURE_CONTROL_PLANE)
    await hurried.cancel(operation)
    rows = await hurried.ended(operation)
    assert rows.operation.status is OperationStatus.CANCELLED
    assert said_at_last(rows) == ["network"]
    await hurried.desk.clear_faults()
    await hurried.swept(operation)


async def test_a_failed_cluster_is_deleted_and_its_orphans_are_still_swept(hurried: Site) -> None:
    operation = await hurried.order()
    await hurried.fault(operation, Call.ENSURE_CONTROL_PLANE, FaultKind.ERROR, OFTEN)
    await hurried.fault(operation, Call.DELETE_NETWORK, FaultKind.HANG, OFTEN)
    await hurried.ended(operation)
    async with hurried.database.begin(hurried.caller.tenant_id) as session:
        at = await operations.instant(session)
        done = await forget(session, hurried.caller, operation.resource_id, at)
    assert done.snapshot["status"] == OperationStatus.COMPLETED
    await hurried.desk.clear_faults()
    async with asyncio.timeout(SECONDS):
        while await hurried.kinds_alive(operation):
            await hurried.reconciler.reconcile()
            await asyncio.sleep(0.1)


async def test_what_a_creation_left_counts_against_the_quota(
    hurried: Site, owner: AsyncEngine
) -> None:
    operation = await hurried.order()
    await hurried.fault(operation, Call.ENSURE_CONTROL_PLANE, FaultKind.ERROR, OFTEN)
    await hurried.fault(operation, Call.DELETE_NETWORK, FaultKind.HANG, OFTEN)
    await hurried.ended(operation)
    tenant = {"tenant": hurried.caller.tenant_id}
    one = "UPDATE quotas SET maximum = 1 WHERE quota = 'clusters' AND tenant_id = :tenant"
    async with owner.begin() as connection:
        await connection.execute(sa.text(one), tenant)
    with pytest.raises(QuotaExceeded):
        await hurried.order()
    await hurried.desk.clear_faults()
    await hurried.swept(operation)
    assert await hurried.order()


async def test_a_row_that_somebody_holds_is_let_alone_and_met_again(ours: Site) -> None:
    operation = await ours.order()
    await expire(ours, operation, timedelta(seconds=3))
    async with ours.database.begin(ours.caller.tenant_id) as session:
        await operations.lock(session, operation.id)
        await ours.keeper.keep()
    assert (await ours.rows(operation)).operation.status is OperationStatus.PENDING
    await ours.keeper.keep()
    assert (await ours.rows(operation)).operation.status is OperationStatus.FAILED


async def test_the_way_forward_ends_in_time_for_the_undo(
    urls: Urls, temporal: Client, founded: Founded, cloud_url: str
) -> None:
    """The plan's limits take 110 minutes: at this pace, a second and a half."""
    async with site(urls, temporal, founded, cloud_url, provider_speed=4400.0) as ours:
        operation = await ours.order()
        await ours.fault(operation, Call.ENSURE_CONTROL_PLANE, FaultKind.HANG, OFTEN)
        rows = await ours.ended(operation)
        await ours.desk.clear_faults()
        assert (rows.operation.failure or {})["code"] == "deadline_exceeded"
        assert await ours.kinds_alive(operation) == []


async def test_a_step_that_comes_too_late_is_not_begun(
    urls: Urls, temporal: Client, founded: Founded, cloud_url: str
) -> None:
    async with site(urls, temporal, founded, cloud_url, provider_speed=AT_ONCE) as ours:
        operation = await ours.order()
        rows = await ours.ended(operation)
        assert (rows.operation.failure or {})["code"] == "deadline_exceeded"
        assert await ours.effects(operation, Call.ENSURE_NETWORK) == []


async def test_what_no_worker_took_in_time_has_failed_and_made_nothing(ours: Site) -> None:
    operation = await ours.order()
    await expire(ours, operation, timedelta(seconds=3))
    await ours.keeper.keep()
    rows = await ours.rows(operation)
    assert (rows.operation.failure or {})["code"] == "deadline_exceeded"
    assert in_time(rows)
    assert said_at_last(rows) == []
    await ours.relay.relay()
    assert await ours.engine.latest_run(operation.workflow_id or "") is None


async def test_what_nobody_ends_is_ended_by_the_reconciler_and_swept(ours: Site) -> None:
    operation = await ours.order()
    await ours.fault(operation, Call.ENSURE_CONTROL_PLANE, FaultKind.HANG, OFTEN)
    await ours.relay.relay()
    await ours.until_asked(operation, Call.ENSURE_CONTROL_PLANE)
    await expire(ours, operation, timedelta(seconds=3))
    await ours.keeper.keep()
    rows = await ours.rows(operation)
    assert rows.operation.status is OperationStatus.FAILED
    assert in_time(rows)
    assert said_at_last(rows) == ["network", "control_plane"]

    await ours.desk.clear_faults()
    await ours.swept(operation)
    await ours.reconciler.end_survivors(0)
    assert await ours.kinds_alive(operation) == []


async def test_a_run_whose_operation_was_ended_over_its_head_ends_too(ours: Site) -> None:
    operation = await ours.order()
    await ours.fault(operation, Call.ENSURE_CONTROL_PLANE, FaultKind.ERROR, OFTEN)
    await ours.fault(operation, Call.DELETE_NETWORK, FaultKind.HANG, OFTEN)
    await ours.relay.relay()
    await ours.until_asked(operation, Call.DELETE_NETWORK)
    await expire(ours, operation, timedelta(seconds=3))
    await ours.keeper.keep()
    await ours.desk.clear_faults()
    rows = await ours.ended(operation)
    assert said_at_last(rows) == ["network"]
    assert (await ours.run_of(operation).describe()).status is WorkflowExecutionStatus.COMPLETED
    await ours.swept(operation)
    assert await ours.kinds_alive(operation) == []


async def test_an_operation_with_time_left_is_let_alone(ours: Site) -> None:
    operation = await ours.order()
    await expire(ours, operation, timedelta(minutes=1))
    await ours.keeper.keep()
    assert (await ours.rows(operation)).operation.status is OperationStatus.PENDING
