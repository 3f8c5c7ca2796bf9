"""Provisioning from the accepted row to the cloud, on the real servers."""

from collections.abc import Sequence

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus

from cks.db.admin.tenants import Founded
from cks.domain.clusters.clusters import ClusterStatus
from cks.domain.operations.lifecycle import OperationSnapshot, OperationStatus, StepStatus
from cks.providers.simulated.wire import Call, FaultKind
from tests.conftest import Urls
from tests.support.disturbances import DeniesAlways, DeniesOnce, FailsToVerify, HangsAtVerify
from tests.support.requests import pool
from tests.support.site import Rows, Site, site

WHOLE = ["addons", "control_plane", "network", "node", "node", "node_pool"]
OFTEN = 1000


def rises(snapshots: Sequence[OperationSnapshot]) -> bool:
    told = [snapshot["progress"] for snapshot in snapshots]
    return told == sorted(told)


def agree_on_nothing_left(rows: Rows, ending: OperationStatus) -> bool:
    """The rows say that it ended so, and that the cluster holds nothing."""
    over = {StepStatus.UNDONE, StepStatus.PENDING, StepStatus.FAILED}
    failed = [step for step in rows.operation.steps if step.status is StepStatus.FAILED]
    return (
        rows.operation.status is ending
        and rows.operation.progress < 100
        and rows.cluster.status is ClusterStatus.FAILED
        and rows.cluster.endpoint is None
        and not rows.claims
        and not rows.nodes
        and [outcome.status for outcome in rows.outcomes] == ["failure"]
        and rises(rows.snapshots)
        and rows.snapshots[-1]["done"]
        and all(step.status in over for step in rows.operation.steps)
        and bool(failed) is (ending is OperationStatus.FAILED)
    )


async def test_ends_with_a_running_cluster(ours: Site) -> None:
    operation = await ours.order()
    rows = await ours.ended(operation)

    assert rows.operation.status is OperationStatus.COMPLETED
    assert rows.cluster.status is ClusterStatus.RUNNING
    assert rows.cluster.endpoint
    assert rows.cluster.endpoint.startswith("https://")
    assert [(p.status, p.ready_count) for p in rows.pools] == [(ClusterStatus.RUNNING, 2)]
    assert [node.status for node in rows.nodes] == ["ready", "ready"]
    assert {step.status for step in rows.operation.steps} == {StepStatus.COMPLETED}
    assert (rows.claims, [outcome.status for outcome in rows.outcomes]) == ([], ["success"])
    assert await ours.kinds_alive(operation) == WHOLE


async def test_tells_every_step_and_never_falls_back(ours: Site) -> None:
    rows = await ours.ended(await ours.order())

    progress = [snapshot["progress"] for snapshot in rows.snapshots]
    assert (progress[0], progress[-1]) == (0, 100)
    assert rises(rows.snapshots)
    assert all((m["progress"] == 100) == (m["status"] == "completed") for m in rows.snapshots)
    assert [snapshot["phase"] for snapshot in rows.snapshots[:2]] == ["waiting", "forward"]


async def test_pools_are_made_side_by_side(ours: Site) -> None:
    names = [f"p{number}" for number in range(7)]
    operation = await ours.order(*(pool(name, 1) for name in names))
    rows = await ours.ended(operation)

    assert rows.operation.status is OperationStatus.COMPLETED
    assert sorted(p.name for p in rows.pools if p.ready_count == 1) == names
    assert (await ours.kinds_alive(operation)).count("node") == 7


async def test_a_quota_of_the_providers_is_told_as_its_own(ours: Site) -> None:
    operation = await ours.order()
    await ours.fault(operation, Call.OBSERVE, FaultKind.ERROR, 1)
    await ours.fault(operation, Call.ENSURE_NODE_POOL, FaultKind.QUOTA, OFTEN)
    rows = await ours.ended(operation)

    assert agree_on_nothing_left(rows, OperationStatus.FAILED)
    failure = rows.operation.failure or {}
    assert (failure["code"], failure["fault"]) == ("provider_quota_exceeded", "provider")
    assert await ours.kinds_alive(operation) == []


async def test_leaves_nothing_behind_when_verifying_fails_for_good(
    urls: Urls, temporal: Client, founded: Founded, cloud_url: str
) -> None:
    async with site(urls, temporal, founded, cloud_url, FailsToVerify) as ours:
        operation = await ours.order()
        rows = await ours.ended(operation)

        assert agree_on_nothing_left(rows, OperationStatus.FAILED)
        assert (rows.operation.failure or {})["code"] == "internal"
        assert rows.operation.error
        assert "Verify the cluster" in rows.operation.error
        assert await ours.kinds_alive(operation) == []


async def test_leaves_nothing_behind_when_cancelled_while_verifying(
    urls: Urls, temporal: Client, founded: Founded, cloud_url: str
) -> None:
    async with site(urls, temporal, founded, cloud_url, HangsAtVerify) as ours:
        operation = await ours.order()
        await ours.until(
            lambda rows: rows.operation.steps[-1].status is StepStatus.RUNNING, operation
        )
        await ours.cancel(operation)
        rows = await ours.ended(operation)

        assert agree_on_nothing_left(rows, OperationStatus.CANCELLED)
        assert await ours.kinds_alive(operation) == []


async def test_what_the_cloud_accepted_and_denies_is_asked_for_again(
    urls: Urls, temporal: Client, founded: Founded, cloud_url: str
) -> None:
    async with site(urls, temporal, founded, cloud_url, DeniesOnce) as ours:
        operation = await ours.order()
        rows = await ours.ended(operation)
        assert rows.operation.status is OperationStatus.COMPLETED
        assert await ours.effects(operation, Call.ENSURE_NODE_POOL) == ["created", "unchanged"]


async def test_a_cloud_that_goes_on_denying_has_failed(
    urls: Urls, temporal: Client, founded: Founded, cloud_url: str
) -> None:
    async with site(urls, temporal, founded, cloud_url, DeniesAlways) as ours:
        operation = await ours.order()
        rows = await ours.ended(operation)
        assert agree_on_nothing_left(rows, OperationStatus.FAILED)
        assert (rows.operation.failure or {})["code"] == "provider_unavailable"
        assert await ours.kinds_alive(operation) == []


async def test_one_pool_that_fails_takes_the_others_back(ours: Site) -> None:
    operation = await ours.order(pool("good", 1), pool("bad", 5), pool("fine", 1))
    await ours.fault(operation, Call.ENSURE_NODE_POOL, FaultKind.ERROR, OFTEN)
    rows = await ours.ended(operation)

    assert agree_on_nothing_left(rows, OperationStatus.FAILED)
    assert await ours.kinds_alive(operation) == []


async def test_an_undo_goes_on_for_as_long_as_it_takes(ours: Site) -> None:
    operation = await ours.order()
    await ours.fault(operation, Call.ENSURE_ADDONS, FaultKind.ERROR, OFTEN)
    await ours.fault(operation, Call.DELETE_CONTROL_PLANE, FaultKind.ERROR, 3)
    rows = await ours.ended(operation)

    assert agree_on_nothing_left(rows, OperationStatus.FAILED)
    assert (await ours.effects(operation, Call.DELETE_CONTROL_PLANE))[:3] == ["error"] * 3


async def test_an_operator_reads_the_run_in_temporal(ours: Site) -> None:
    operation = await ours.order()
    await ours.ended(operation)
    seen = await ours.run_of(operation).describe()
    history = await ours.run_of(operation).fetch_history()

    assert seen.status is WorkflowExecutionStatus.COMPLETED
    assert await seen.static_summary() == f"Create cluster {operation.resource_name}"
    found = {pair.key.name: pair.value for pair in seen.typed_search_attributes}
    assert found["CksOperationId"] == str(operation.id)
    assert found["CksOperationType"] == "cluster.create"
    assert found["CksClusterId"] == str(operation.resource_id)
    assert found["CksTenantId"] == str(operation.tenant_id)
    scheduled = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    assert sum(event.event_type == scheduled for event in history.events) == 6
    assert len(history.events) <= 45
