"""Ways to break our own code.  Each must be noticed by the histories.

A sabotage replaces one piece by a plausible mistake: what a tired colleague might write.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity, workflow
from temporalio.workflow import ActivityCancellationType

from activities import ownership, provisioning
from activities.operations import Operations, Settlement
from activities.ownership import Ownership
from activities.refusals import refusing
from api.background.deadline_keeper import DeadlineKeeper
from api.background.reconciler import Reconciler
from api.background.relay import Relay, launch_of
from cks.db import idempotency, registry
from cks.db.clusters import pool_update
from cks.db.operations import claims, events, operations, settling
from cks.db.session import Session
from cks.domain.clusters.pool_update import UPDATE
from cks.domain.operations import steps
from cks.domain.operations.plans import Plan, ResourceKind, Undo
from cks.domain.refusals import Superseded
from cks.providers.base import NodePoolSpec
from cks.providers.simulated.storage import Storage
from workflows import operation_run, saga

Sabotage = Callable[[pytest.MonkeyPatch], None]

PERFORM, UNWIND = saga.perform, saga.unwind
OWN, TURN_BACK, RESERVE = Ownership._own, operations.turn_back, idempotency.reserve
POOL_SPEC = NodePoolSpec


def replacing(owner: Any, name: str, fake: Any) -> Sabotage:
    return lambda patch: patch.setattr(owner, name, fake)


def nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


def never(*_: Any) -> bool:
    return False


async def nothing_soon(*_: Any, **__: Any) -> None:
    """Do nothing, when awaited."""


def remembering(when: str) -> Sabotage:
    """Undo what the run remembers to have begun, or done, as a saga often does."""

    async def perform(stages: saga.Stages, tell: saga.Tell, boundary: saga.Boundary) -> None:
        stack: list[Sequence[saga.Step]] = []
        workflow.instance().stack = stack
        for stage in stages:
            stack += [stage] if when == "before" else []
            await PERFORM([stage], tell, boundary)
            stack += [stage] if when == "after" else []

    async def unwind(stages: saga.Stages, tell: saga.Tell) -> None:
        await UNWIND(getattr(workflow.instance(), "stack", stages), tell)

    def sabotage(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(operation_run, "perform", perform)
        patch.setattr(operation_run, "unwind", unwind)

    return sabotage


async def wait_once(work: Any) -> None:
    await asyncio.shield(asyncio.create_task(work))


async def leave_the_others(stage: Sequence[Any], act: Any, at_once: int = 0) -> None:
    """Go on, or back, as soon as one step of a stage has failed."""
    del at_once
    tasks = [asyncio.create_task(act(step)) for step in stage]
    done, _ = await workflow.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


async def go_on_when_cancelled(stage: Sequence[Any], act: Any, at_once: int = 0) -> None:
    """Wait for the steps, whoever cancels; what they say of it comes too late."""
    del at_once
    tasks = [asyncio.create_task(act(step)) for step in stage]

    async def all_of_them() -> None:
        await workflow.wait(tasks)

    await saga.undisturbed(all_of_them())
    for task in tasks:
        task.result()


def swallowing_cancels(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(saga, "side_by_side", go_on_when_cancelled)
    patch.setattr(operation_run, "heed_cancel", nothing)


async def own_without_asking(_: Ownership, session: Session, operation: Any) -> None:
    if operation.run_id != (mine := activity.info().workflow_run_id):
        operation.run_id = mine
        await operations.draw_fence(session, operation)


async def take_over_under_the_same_fence(self: Ownership, session: Session, operation: Any) -> None:
    if operation.fence is None:
        await OWN(self, session, operation)
        return
    latest = await self._engine.latest_run(activity.info().workflow_id or "")
    mine = activity.info().workflow_run_id
    if operation.run_id != mine and (latest is None or latest.closed or latest.id != mine):
        raise Superseded("another run's")
    operation.run_id = mine


async def turn_back_under_the_same_fence(session: Session, operation: Any, reason: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:  # without a pause, so nobody else sees it
        patch.setattr(operations, "draw_fence", nothing_soon)
        await TURN_BACK(session, operation, reason)


def accept_any_fence(_: Storage, __: Any, ___: Any, fence: int) -> int:
    return fence


def type_progress_in(_: Any) -> int:
    return 50


async def take_the_key_apart(session: AsyncSession, request: Any) -> Any:
    """Write the idempotency row in a transaction of its own."""
    here = await session.connection()
    async with AsyncSession(here.engine) as own, own.begin():
        tenant = {"tenant": str(request.caller.tenant_id)}
        await own.execute(sa.text("SELECT set_config('app.tenant_id', :tenant, true)"), tenant)
        return await RESERVE(own, request)


def with_another_id(cluster_id: Any, version: str, pool: Any) -> Any:
    """Invent an id for whatever is tried again."""
    again = activity.info().attempt > 1
    return POOL_SPEC(cluster_id, version, replace(pool, id=uuid4()) if again else pool)


async def mark_before_the_start(self: Relay, found: Any) -> None:
    async with self._database.begin(found.ref.tenant_id) as session:
        operation = await operations.lock(session, found.ref.id)
        await operations.note_dispatched(session, found.ref.id)
    await self._engine.start(launch_of(operation), again=False)


class SettlesAgain(Operations):
    """Ends an operation whether or not it has ended."""

    @activity.defn
    @refusing
    async def settle_operation(self, settlement: Settlement) -> None:
        ref, heading = settlement.operation, settlement.heading
        async with self._ownership.of(ref, heading, settling=True) as (session, operation):
            await registry.settle(session, operation)


async def start_once(self: Reconciler, found: Any) -> None:
    """Forget that the workflow's id has been used."""
    start = self._engine.start
    engine = self._engine

    class Once:
        latest_run = staticmethod(engine.latest_run)

        @staticmethod
        async def start(launch: Any, *, again: bool) -> None:
            del again
            await start(launch, again=False)

    self._engine = Once()  # type: ignore[assignment]
    await REVIVE(self, found)
    self._engine = engine


REVIVE = Reconciler._revive


def marking_a_restore_as_a_removal(patch: pytest.MonkeyPatch) -> None:
    """Take a living pool for something that the operation made."""

    def plan(asked: Any) -> Plan:
        (stage,) = UPDATE.plan(asked).stages
        marked = [replace(s, undo=Undo.REMOVE, makes=ResourceKind.NODE_POOL) for s in stage]
        return Plan((tuple(marked),))

    patch.setattr(pool_update, "UPDATE", replace(UPDATE, plan=plan))


SABOTAGES: dict[str, tuple[Sabotage, int]] = {
    "the undo is pushed after its step": (remembering("after"), 0),
    "the undo is pushed before its step, in the run's memory": (remembering("before"), 0),
    "a second cancel ends the wait": (replacing(operation_run, "undisturbed", wait_once), 27),
    "a cancel is swallowed": (swallowing_cancels, 3),
    "a cancelled step is not waited for": (
        replacing(saga, "WAIT", ActivityCancellationType.TRY_CANCEL),
        0,
    ),
    "the undo does not wait for the stage's other steps": (
        replacing(saga, "side_by_side", leave_the_others),
        0,
    ),
    "whichever run comes owns the operation": (
        replacing(Ownership, "_own", own_without_asking),
        38,
    ),
    "a new owner keeps the fence": (
        replacing(Ownership, "_own", take_over_under_the_same_fence),
        29,
    ),
    "a terminal status is not guarded": (replacing(ownership, "check_live", nothing), 6),
    "a step forward ignores the way back": (replacing(ownership, "check_heading", nothing), 69),
    "turning back keeps the fence": (
        replacing(operations, "turn_back", turn_back_under_the_same_fence),
        185,
    ),
    "the cloud ignores the fence": (replacing(Storage, "raise_fence", accept_any_fence), 16),
    "the claims are kept": (replacing(claims, "release", nothing_soon), 0),
    "progress is typed in": (replacing(events, "progress_of", type_progress_in), 0),
    "the idempotency row has a transaction of its own": (
        replacing(idempotency, "reserve", take_the_key_apart),
        0,
    ),
    "the relay forgets cancels": (replacing(Relay, "_cancel", nothing_soon), 3),
    "a retry creates a second one": (replacing(provisioning, "NodePoolSpec", with_another_id), 26),
    "the outbox is marked before the start": (
        replacing(Relay, "_start", mark_before_the_start),
        0,
    ),
    "settling twice ends it twice": (
        replacing(Operations, "settle_operation", SettlesAgain.settle_operation),
        240,
    ),
    "a step's budget never ends": (replacing(steps, "note_failure", never), 34),
    "what is left is not told": (replacing(steps, "may_be_left", never), 2),
    "the deadline is the run's alone": (replacing(DeadlineKeeper, "keep", nothing_soon), 2),
    "a run may outlive its operation": (
        replacing(Reconciler, "end_survivors", nothing_soon),
        2,
    ),
    "a sweep's end is not noted": (replacing(settling, "note_swept", nothing_soon), 2),
    "steps are not told to be undone": (replacing(steps, "undo", nothing), 0),
    "a step is to be removed that should be restored": (marking_a_restore_as_a_removal, 54),
    "the reconciler starts what was started before": (
        replacing(Reconciler, "_revive", start_once),
        0,
    ),
}
"""Name → the sabotage, and the first seed that noticed it; `--exam` looks for them anew."""
