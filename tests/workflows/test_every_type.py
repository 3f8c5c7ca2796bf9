"""The trials that each operation type passes at each of its steps, on the real servers.

Failed for good, cancelled, its reply lost, run twice: each ends with rows, run and cloud agreeing.
A type brings its scene alone (``tests/support/type_scenes.py``).
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from api.background.relay import launch_of
from cks.domain.operations.lifecycle import OperationStatus, StepStatus
from cks.providers.simulated.wire import Call, FaultKind
from tests.support.site import Rows, Site, reset
from tests.support.type_scenes import SCENES, TypeScene

ENOUGH = 2
"""So many failing calls spend the budget of a step (``IMPATIENT`` in ``tests/support/site.py``)."""
OVER = {StepStatus.UNDONE, StepStatus.PENDING, StepStatus.FAILED}


def steps() -> Iterator[tuple[str, Call]]:
    for name, scene in SCENES.items():
        yield from ((name, call) for call in scene.calls.values() if call)


each_type = pytest.mark.parametrize("name", SCENES)
each_step = pytest.mark.parametrize(("name", "call"), list(steps()))


def check_ended(rows: Rows, status: OperationStatus, *steps: StepStatus) -> None:
    """The operation has ended so, holds nothing, said so once, and never fell back."""
    progress = [snapshot["progress"] for snapshot in rows.snapshots]
    completed = status is OperationStatus.COMPLETED
    assert rows.operation.status is status
    assert progress == sorted(progress)
    assert (progress[-1] == 100) is completed
    assert rows.snapshots[-1]["done"]
    assert not rows.claims
    last = rows.outcomes[-1]
    assert (last.status, last.action) == (
        "success" if completed else "failure",
        f"{rows.operation.type}.{status}",
    )
    assert {step.status for step in rows.operation.steps} <= set(steps)


async def check_completed(ours: Site, scene: TypeScene, rows: Rows) -> None:
    check_ended(rows, OperationStatus.COMPLETED, StepStatus.COMPLETED)
    await scene.check_completed(ours, rows)


@each_type
async def test_all_of_it_is_done(name: str, ours: Site) -> None:
    scene = SCENES[name]()
    operation = await scene.begin(ours)
    await check_completed(ours, scene, await ours.ended(operation))


@each_step
async def test_a_step_that_fails_for_good_leaves_all_as_it_was(
    name: str, call: Call, ours: Site
) -> None:
    scene = SCENES[name]()
    operation = await scene.begin(ours)
    await ours.fault(operation, call, FaultKind.ERROR, ENOUGH)
    rows = await ours.ended(operation)

    check_ended(rows, OperationStatus.FAILED, *OVER)
    assert (rows.operation.failure or {})["code"] == "provider_unavailable"
    assert StepStatus.FAILED in {step.status for step in rows.operation.steps}
    await scene.check_undone(ours, rows)


@each_step
async def test_a_cancel_during_a_step_leaves_all_as_it_was(
    name: str, call: Call, ours: Site
) -> None:
    scene = SCENES[name]()
    operation = await scene.begin(ours)
    asked = len(await ours.effects(operation, call))
    await ours.fault(operation, call, FaultKind.HANG, 1)
    await ours.relay.relay()
    await ours.until_asked(operation, call, asked)
    await ours.cancel(operation)
    await ours.cancel(operation)
    rows = await ours.ended(operation)
    await ours.desk.clear_faults()
    await asyncio.sleep(0.2)  # the hanging call goes on, and finds its fence passed

    check_ended(rows, OperationStatus.CANCELLED, *OVER)
    assert rows.operation.failure is None
    assert "refused: superseded" in await ours.effects(operation, call)
    await scene.check_undone(ours, rows)


@each_step
async def test_a_lost_reply_is_asked_for_again_and_doubles_nothing(
    name: str, call: Call, ours: Site
) -> None:
    scene = SCENES[name]()
    operation = await scene.begin(ours)
    asked = len(await ours.effects(operation, call))
    await ours.fault(operation, call, FaultKind.LOST_REPLY, 1)
    rows = await ours.ended(operation)

    assert max(step.attempt for step in rows.operation.steps) == 2
    assert (await ours.effects(operation, call))[asked + 1] == "unchanged"
    await check_completed(ours, scene, rows)


@each_step
async def test_a_run_that_is_reset_during_a_step_does_it_twice_and_once(
    name: str, call: Call, ours: Site
) -> None:
    """The second run does all steps again; the first one's late call is refused."""
    scene = SCENES[name]()
    operation = await scene.begin(ours)
    asked = len(await ours.effects(operation, call))
    await ours.fault(operation, call, FaultKind.HANG, 1)
    await ours.relay.relay()
    await ours.until_asked(operation, call, asked)
    first = await ours.engine.latest_run(operation.workflow_id)
    assert first
    await reset(ours, operation.workflow_id, first.id, 0)
    rows = await ours.ended(operation)
    await ours.desk.clear_faults()
    await asyncio.sleep(0.2)

    assert "refused: superseded" in await ours.effects(operation, call)
    await check_completed(ours, scene, rows)


@each_type
async def test_a_run_that_comes_after_the_end_touches_nothing(name: str, ours: Site) -> None:
    operation = await SCENES[name]().begin(ours)
    before = await ours.ended(operation)
    calls = len((await ours.desk.ledger(operation.cluster_id)).calls)
    await ours.engine.start(launch_of(operation), again=True)
    await ours.run_of(operation).result()

    after = await ours.rows(operation)
    assert after.operation.fence == before.operation.fence
    assert len(after.snapshots) == len(before.snapshots)
    assert len((await ours.desk.ledger(operation.cluster_id)).calls) == calls


@each_type
async def test_what_was_cancelled_before_its_run_began_is_left_alone(name: str, ours: Site) -> None:
    operation = await SCENES[name]().begin(ours)
    calls = len((await ours.desk.ledger(operation.cluster_id)).calls)
    await ours.cancel(operation)
    await ours.engine.start(launch_of(operation), again=False)
    await ours.run_of(operation).result()

    rows = await ours.rows(operation)
    assert rows.operation.status is OperationStatus.CANCELLED
    assert not rows.claims
    assert len((await ours.desk.ledger(operation.cluster_id)).calls) == calls


@each_type
async def test_a_run_of_another_workflow_moves_nothing(name: str, ours: Site) -> None:
    """Whoever may start runs names any operation; what is not theirs they cannot touch."""
    operation = await SCENES[name]().begin(ours)
    launch = launch_of(operation)
    forged = f"forged/{operation.id}"
    await ours.engine.start(replace(launch, workflow_id=forged), again=False)
    await ours.temporal.get_workflow_handle(forged).result()
    rows = await ours.rows(operation)
    assert rows.operation.status is OperationStatus.PENDING
    assert rows.operation.run_id is None
