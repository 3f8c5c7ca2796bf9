"""Rows and runs that disagree are made to agree, on the real servers."""

from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.workflowservice.v1 import PauseWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus

from api.background.relay import launch_of
from cks.db.models.activity import ActivityLog
from cks.db.models.operations import Operation
from cks.db.operations import operations
from cks.domain.operations.lifecycle import OperationStatus, Phase, StepStatus
from cks.domain.operations.state import OperationState
from cks.providers.simulated.wire import Call, FaultKind
from cks.temporal.engine import Temporal
from tests.support.site import Site

AT_ONCE = 0.0
NO_TRIGGERS = sa.text("SET LOCAL session_replication_role = replica")
SET_BACK = sa.text("""
UPDATE operations SET status = 'running', progress = 50, completed_at = NULL, fence = 1,
       ending = NULL, error = NULL, failure = NULL, cancel_requested_at = NULL
 WHERE id = :id
""")
STEPS_BACK = sa.text("""
UPDATE operation_steps SET status = 'pending', fraction = 0, undone_at = NULL
 WHERE operation_id = :id AND position > 0
""")
CLUSTER_BACK = sa.text("UPDATE clusters SET status = 'provisioning' WHERE id = :cluster")
POOLS_BACK = sa.text("UPDATE node_pools SET status = 'provisioning' WHERE cluster_id = :cluster")


async def mark_started(ours: Site, operation: OperationState) -> None:
    async with ours.database.begin(ours.caller.tenant_id) as session:
        await operations.note_dispatched(session, operation.id)


async def half_done(ours: Site, call: Call) -> OperationState:
    """Return an operation whose run hangs in a call."""
    operation = await ours.order()
    await ours.fault(operation, call, FaultKind.HANG, 1)
    await ours.relay.relay()
    await ours.until_asked(operation, call)
    return operation


async def repairs(ours: Site) -> list[str]:
    query = sa.select(ActivityLog.action).where(ActivityLog.actor_type == "system")
    async with ours.database.begin(ours.caller.tenant_id) as session:
        found = (await session.scalars(query.order_by(ActivityLog.seq))).all()
    return [action for action in found if action.startswith("operations.")]


async def test_a_terminated_run_is_told_at_once_and_undone_by_another(ours: Site) -> None:
    operation = await half_done(ours, Call.ENSURE_ADDONS)
    await ours.run_of(operation).terminate()
    await ours.reconciler.reconcile(AT_ONCE)

    told = (await ours.rows(operation)).snapshots
    assert Phase.COMPENSATING in [snapshot["phase"] for snapshot in told]
    rows = await ours.ended(operation)
    await ours.desk.clear_faults()
    assert rows.operation.status is OperationStatus.FAILED
    assert (rows.operation.failure or {})["code"] == "engine_lost"
    assert await ours.kinds_alive(operation) == []
    assert {step.status for step in rows.operation.steps} == {StepStatus.UNDONE, StepStatus.PENDING}
    assert await repairs(ours) == ["operations.engine_lost"]


async def test_a_run_terminated_during_the_undo_is_undone_under_a_new_fence(ours: Site) -> None:
    operation = await ours.order()
    await ours.fault(operation, Call.ENSURE_ADDONS, FaultKind.ERROR, 1000)
    await ours.fault(operation, Call.DELETE_CONTROL_PLANE, FaultKind.HANG, 1)
    await ours.relay.relay()
    await ours.until_asked(operation, Call.DELETE_CONTROL_PLANE)
    before = (await ours.rows(operation)).operation
    await ours.run_of(operation).terminate()
    await ours.reconciler.reconcile(AT_ONCE)
    rows = await ours.ended(operation)

    assert (rows.operation.failure or {})["code"] == "provider_unavailable"
    assert (rows.operation.fence or 0) > (before.fence or 0)
    assert await ours.kinds_alive(operation) == []


async def test_an_operation_whose_run_temporal_forgot_gets_another(ours: Site) -> None:
    operation = await ours.order()
    await mark_started(ours, operation)
    await ours.reconciler.reconcile(AT_ONCE)
    rows = await ours.ended(operation)

    assert rows.operation.status is OperationStatus.COMPLETED
    assert await repairs(ours) == ["operations.run_restarted"]


async def test_a_row_that_was_set_back_behind_its_run_is_settled_again(
    ours: Site, owner: AsyncEngine
) -> None:
    operation = await ours.order()
    made = (await ours.ended(operation)).operation
    async with owner.begin() as connection:
        await connection.execute(NO_TRIGGERS)
        await connection.execute(SET_BACK, {"id": operation.id})
    await ours.reconciler.reconcile(AT_ONCE)
    rows = await ours.ended(operation)

    assert rows.operation.status is OperationStatus.COMPLETED
    assert (rows.operation.fence or 0) > (made.fence or 0)
    assert await repairs(ours) == ["operations.run_restarted"]
    assert await ours.effects(operation, Call.ENSURE_NETWORK) == ["created", "unchanged"]


async def test_what_was_cancelled_after_the_dump_ends_undone_again(
    ours: Site, owner: AsyncEngine
) -> None:
    operation = await half_done(ours, Call.ENSURE_ADDONS)
    await ours.cancel(operation)
    assert (await ours.ended(operation)).operation.status is OperationStatus.CANCELLED
    assert await ours.kinds_alive(operation) == []
    await ours.desk.clear_faults()
    async with owner.begin() as connection:
        await connection.execute(NO_TRIGGERS)
        for statement in (SET_BACK, STEPS_BACK, CLUSTER_BACK, POOLS_BACK):
            about = {"id": operation.id, "cluster": operation.resource_id}
            named = {name: about[name] for name in about if f":{name}" in statement.text}
            await connection.execute(statement, named)
    await ours.reconciler.reconcile(AT_ONCE)
    rows = await ours.ended(operation)

    assert rows.operation.status is OperationStatus.FAILED
    assert (rows.operation.failure or {})["code"] == "engine_lost"
    assert rows.cluster.status == "failed"
    assert await ours.kinds_alive(operation) == []


async def test_what_was_terminated_before_it_began_ends_where_it_is(ours: Site) -> None:
    operation = await ours.order()
    await Temporal(ours.temporal, uuid4().hex).start(launch_of(operation), again=False)
    await mark_started(ours, operation)
    await ours.run_of(operation).terminate()
    await ours.reconciler.reconcile(AT_ONCE)

    rows = await ours.rows(operation)
    assert rows.operation.status is OperationStatus.FAILED
    assert (rows.operation.failure or {})["code"] == "engine_lost"
    assert rows.claims == []


async def test_a_run_that_outlives_its_operation_is_ended(ours: Site) -> None:
    operation = await ours.order()
    await ours.ended(operation)
    await Temporal(ours.temporal, uuid4().hex).start(launch_of(operation), again=True)
    await ours.reconciler.end_survivors(AT_ONCE)

    seen = await ours.run_of(operation).describe()
    assert seen.status is WorkflowExecutionStatus.TERMINATED
    assert await repairs(ours) == ["operations.run_ended"]


async def test_what_runs_is_left_alone(ours: Site) -> None:
    operation = await half_done(ours, Call.ENSURE_NETWORK)
    before = (await ours.rows(operation)).operation
    await ours.reconciler.reconcile(AT_ONCE)
    after = (await ours.rows(operation)).operation
    await ours.desk.clear_faults()

    assert (after.run_id, after.fence) == (before.run_id, before.fence)
    assert (await ours.ended(operation)).operation.status is OperationStatus.COMPLETED
    assert await repairs(ours) == []


async def test_rows_that_nobody_can_start_hold_up_no_others(ours: Site) -> None:
    broken = [await ours.order() for _ in range(9)]
    forgotten = await ours.order()
    for operation in (*broken, forgotten):
        await mark_started(ours, operation)
    unknown = sa.update(Operation).where(Operation.id.in_([one.id for one in broken]))
    async with ours.database.begin(ours.caller.tenant_id) as session:
        await session.execute(unknown.values(request={}))
    await ours.reconciler.reconcile(AT_ONCE)

    assert (await ours.ended(forgotten)).operation.status is OperationStatus.COMPLETED


async def test_a_cancel_reaches_a_run_that_an_operator_paused(ours: Site) -> None:
    operation = await half_done(ours, Call.ENSURE_ADDONS)
    await ours.temporal.workflow_service.pause_workflow_execution(
        PauseWorkflowExecutionRequest(
            namespace=ours.temporal.namespace,
            workflow_id=operation.workflow_id or "",
            reason="a closer look",
            request_id=uuid4().hex,
        )
    )
    await ours.cancel(operation)
    rows = await ours.ended(operation)
    await ours.desk.clear_faults()

    assert rows.operation.status is OperationStatus.CANCELLED
    assert await ours.kinds_alive(operation) == []
