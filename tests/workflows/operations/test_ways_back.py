"""Ways back that a tenant alone does not cause: deadlines, operators, cancels at odd moments."""

from uuid import uuid4

import pytest
import sqlalchemy as sa
from temporalio.client import Client, WorkflowFailureError

from api.background.relay import launch_of
from cks.db.admin.tenants import Founded
from cks.domain.operations.lifecycle import OperationStatus
from cks.providers.simulated.wire import Call, FaultKind
from cks.temporal.engine import Temporal
from tests.conftest import Urls
from tests.support.site import Site, site

OFTEN = 1000


HURRIED = sa.text("UPDATE operation_steps SET limit_seconds = 1 WHERE operation_id = :id")


async def test_a_step_that_takes_too_long_has_failed(ours: Site) -> None:
    operation = await ours.order()
    await ours.fault(operation, Call.ENSURE_CONTROL_PLANE, FaultKind.HANG, OFTEN)
    async with ours.database.begin(ours.caller.tenant_id) as session:
        await session.execute(HURRIED, {"id": operation.id})
    rows = await ours.ended(operation)

    assert rows.operation.status is OperationStatus.FAILED
    assert (rows.operation.failure or {})["code"] == "step_timed_out"
    assert await ours.kinds_alive(operation) == []


async def test_a_cancel_during_an_undo_does_not_end_it(ours: Site) -> None:
    operation = await ours.order()
    await ours.fault(operation, Call.ENSURE_ADDONS, FaultKind.ERROR, OFTEN)
    await ours.fault(operation, Call.DELETE_CONTROL_PLANE, FaultKind.HANG, 1)
    await ours.relay.relay()
    await ours.until_asked(operation, Call.DELETE_CONTROL_PLANE)
    await ours.run_of(operation).cancel()
    await ours.desk.clear_faults()
    rows = await ours.ended(operation)

    assert rows.operation.status is OperationStatus.FAILED
    assert await ours.kinds_alive(operation) == []


async def test_a_run_that_an_operator_cancels_before_it_began_undoes_nothing(
    urls: Urls, temporal: Client, founded: Founded, cloud_url: str
) -> None:
    queue = uuid4().hex
    async with site(urls, temporal, founded, cloud_url) as elsewhere:
        operation = await elsewhere.order()
        await Temporal(temporal, queue).start(launch_of(operation), again=False)
        await elsewhere.run_of(operation).cancel()
    async with site(urls, temporal, founded, cloud_url, task_queue=queue) as ours:
        with pytest.raises(WorkflowFailureError):
            await ours.run_of(operation).result()
        rows = await ours.rows(operation)

        assert rows.operation.status is OperationStatus.CANCELLED
        assert rows.claims == []
        assert await ours.effects(operation, Call.DELETE_NETWORK) == []


async def test_a_run_that_lost_its_operation_touches_nothing(ours: Site) -> None:
    """An operator terminated it and another run came: what the first one still does is late."""
    operation = await ours.order()
    await ours.fault(operation, Call.ENSURE_CONTROL_PLANE, FaultKind.HANG, 1)
    await ours.relay.relay()
    await ours.until_asked(operation, Call.ENSURE_CONTROL_PLANE)
    await ours.run_of(operation).terminate()
    before = await ours.rows(operation)
    await ours.engine.start(launch_of(operation), again=True)
    await ours.until(lambda rows: rows.operation.run_id != before.operation.run_id, operation)
    await ours.desk.clear_faults()
    rows = await ours.ended(operation)

    assert rows.operation.status is OperationStatus.COMPLETED
    assert (rows.operation.fence or 0) > (before.operation.fence or 0)
    effects = await ours.effects(operation, Call.ENSURE_CONTROL_PLANE)
    assert effects.count("created") == 1
