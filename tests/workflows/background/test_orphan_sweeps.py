"""What becomes of a sweep, whatever operators do to it, on the real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from temporalio.api.workflowservice.v1 import (
    PauseWorkflowExecutionRequest,
    UnpauseWorkflowExecutionRequest,
)
from temporalio.client import Client, WorkflowFailureError

from api.background.orphan_sweeps import sweep_id
from cks.db.admin.tenants import Founded
from cks.db.models.activity import ActivityLog
from cks.domain.operations.inputs import OrphanInput, SweepInput
from cks.domain.operations.lifecycle import OperationRef
from cks.domain.operations.state import OperationState
from cks.domain.operations.steps import orphans_among
from cks.providers.simulated.wire import Call, FaultKind
from cks.temporal.engine import Run
from tests.conftest import Urls
from tests.support.site import SECONDS, Crew, Site, opened, reset
from workflows.sweep_orphans import SweepOrphans

OFTEN = 1000


@dataclass(frozen=True, slots=True)
class Left:
    """An operation that left a network, and the sweep that still cannot remove it."""

    ours: Site
    operation: OperationState

    @property
    def workflow_id(self) -> str:
        return sweep_id(self.operation.id)

    async def run(self) -> Run:
        found = await self.ours.engine.latest_run(self.workflow_id)
        assert found
        return found

    async def asked(self) -> int:
        return len(await self.ours.effects(self.operation, Call.DELETE_NETWORK))

    async def until_asked_again(self) -> None:
        before = await self.asked()
        async with asyncio.timeout(SECONDS):
            while await self.asked() == before:
                await self.ours.reconciler.reconcile()
                await asyncio.sleep(0.05)

    async def sweeps_logged(self) -> int:
        action = ActivityLog.action == "operations.orphans_swept"
        query = sa.select(sa.func.count()).select_from(ActivityLog).where(action)
        async with self.ours.database.begin(self.ours.caller.tenant_id) as session:
            return await session.scalar(query) or 0

    async def gone(self) -> None:
        """Let the cloud recover, and see that all is removed, once."""
        await self.ours.desk.clear_faults()
        rows = await self.ours.swept(self.operation)
        assert orphans_among(rows.operation.steps) == []
        assert await self.ours.kinds_alive(self.operation) == []
        assert await self.sweeps_logged() == 1


@pytest.fixture
async def left(
    brisk: Crew, urls: Urls, temporal: Client, founded: Founded, cloud_url: str
) -> AsyncIterator[Left]:
    async with opened(brisk, urls, temporal, founded, cloud_url, undo_seconds=0.8) as ours:
        operation = await ours.order()
        await ours.fault(operation, Call.ENSURE_CONTROL_PLANE, FaultKind.ERROR, OFTEN)
        await ours.fault(operation, Call.DELETE_NETWORK, FaultKind.HANG, OFTEN)
        await ours.ended(operation)
        found = Left(ours, operation)
        await found.until_asked_again()
        yield found


async def terminated(left: Left) -> None:
    await left.ours.temporal.get_workflow_handle(left.workflow_id).terminate()


async def cancelled(left: Left) -> None:
    await left.ours.temporal.get_workflow_handle(left.workflow_id).cancel()
    async with asyncio.timeout(SECONDS):
        while not (await left.run()).closed:
            await asyncio.sleep(0.05)


async def reset_to_its_beginning(left: Left) -> None:
    await reset(left.ours, left.workflow_id, (await left.run()).id, 0)


SELDOM = [
    pytest.param(befalls, marks=pytest.mark.trial)
    for befalls in (cancelled, reset_to_its_beginning)
]


@pytest.mark.parametrize("befalls", [terminated, *SELDOM])
async def test_a_sweep_goes_on_in_another_run_when_it_is(
    left: Left, befalls: Callable[[Left], Awaitable[None]]
) -> None:
    before = await left.run()
    await befalls(left)
    await left.until_asked_again()
    assert (await left.run()).id != before.id
    await left.gone()


async def test_a_sweep_ends_by_itself_once_the_cloud_is_back(left: Left) -> None:
    await left.gone()
    async with asyncio.timeout(SECONDS):
        while not (await left.run()).closed:
            await asyncio.sleep(0.05)


async def test_asking_for_a_sweep_again_starts_no_second_one(left: Left) -> None:
    before = await left.run()
    await left.ours.reconciler.reconcile()
    await left.ours.reconciler.reconcile()
    assert await left.run() == before
    await left.gone()


@pytest.mark.trial
async def test_a_paused_sweep_is_let_alone_and_goes_on_when_unpaused(left: Left) -> None:
    service, namespace = left.ours.temporal.workflow_service, left.ours.temporal.namespace
    names = {"namespace": namespace, "workflow_id": left.workflow_id, "reason": "a closer look"}
    before = await left.run()
    await service.pause_workflow_execution(
        PauseWorkflowExecutionRequest(request_id=uuid4().hex, **names)
    )
    await left.ours.reconciler.reconcile()
    assert await left.run() == before
    await service.unpause_workflow_execution(
        UnpauseWorkflowExecutionRequest(request_id=uuid4().hex, **names)
    )
    await left.gone()


async def test_a_sweep_for_an_operation_that_no_row_knows_fails_for_good(
    brisk: Crew, urls: Urls, temporal: Client, founded: Founded, cloud_url: str
) -> None:
    unknown, cluster_id = OperationRef(founded.tenant_id, uuid4()), uuid4()
    orphan = OrphanInput("network", 0)
    with pytest.raises(WorkflowFailureError):
        await temporal.execute_workflow(
            SweepOrphans.run,
            SweepInput(unknown, (orphan,)),
            id=uuid4().hex,
            task_queue=brisk.given.task_queue,
            execution_timeout=timedelta(seconds=SECONDS),
        )
    async with opened(brisk, urls, temporal, founded, cloud_url) as ours:
        assert (await ours.desk.ledger(cluster_id)).calls == []
