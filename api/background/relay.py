"""From row to run: the operation's row is the outbox.

A relay is woken by a commit and looks once a second anyway, so it does not matter which process
took the order, or which died after.  It finds across tenants as ``cks_dispatch`` and acts on each
as ``cks_app`` of its own.
"""

from api.background.batches import each
from cks.db.dispatch import Dispatch, Found
from cks.db.operations import operations
from cks.db.session import Database
from cks.domain.operations.inputs import HOLD, PlannedActivity, RunInput
from cks.domain.operations.lifecycle import LIVE
from cks.domain.operations.state import OperationState, StepState
from cks.domain.registry import RUN_BY_WORKFLOWS, TYPES
from cks.temporal.engine import Engine, Launch

POLL_SECONDS = 1.0
BATCH = 200


class Relay:
    """Starts what waits and forwards the requests to end; both may be repeated."""

    def __init__(self, database: Database, dispatch: Dispatch, engine: Engine) -> None:
        self._database = database
        self._dispatch = dispatch
        self._engine = engine

    async def relay(self) -> None:
        """Start what waits, then forward the requests to end.

        Raise ``EngineAway`` at once when Temporal does not answer: the rest would only wait
        for it too.
        """
        found = await self._dispatch.find_undelivered(RUN_BY_WORKFLOWS, BATCH)
        await each(self._start, found)
        await each(self._cancel, await self._dispatch.find_cancelled(RUN_BY_WORKFLOWS, BATCH))

    async def _start(self, found: Found) -> None:
        """Start the run, with no row locked meanwhile, then note that it was started.

        Dying in between, or two relays at once, start it twice: to no effect.
        """
        launch = await self._launch(found)
        if launch is None:
            return
        # Started before it is marked: dying in between starts it twice, which its workflow's id
        # makes harmless; the other order would lose it.
        await self._engine.start(launch, again=False)
        async with self._database.begin(found.ref.tenant_id) as session:
            await operations.note_dispatched(session, found.ref.id)

    async def _launch(self, found: Found) -> Launch | None:
        async with self._database.begin(found.ref.tenant_id) as session:
            operation = await operations.read(session, found.ref.id)
            waits = operation.status in LIVE and operation.dispatched_at is None
            return launch_of(operation) if waits else None

    async def _cancel(self, found: Found) -> None:
        """Forward it until the run has turned back: a reset forgets a cancel."""
        await self._engine.cancel(found.workflow_id)


def launch_of(operation: OperationState) -> Launch:
    """Return the run that an operation asks for, as operators will read it."""
    kind = TYPES[operation.type]
    if kind.workflow is None:
        raise AssertionError(f"no run carries out {kind.name}")
    steps = "\n".join(f"* {step.title}" for step in operation.steps)
    return Launch(
        workflow=kind.workflow,
        input=RunInput(
            operation=operation.ref,
            steps=tuple(map(_planned, operation.steps)),
            holds=operation.request.get("on_failure") == HOLD,
        ),
        workflow_id=operation.workflow_id,
        operation_type=operation.type,
        cluster_id=operation.cluster_id,
        summary=kind.summary.format(name=operation.resource_name),
        details=f"Operation `{operation.id}` of tenant `{operation.tenant_id}`\n\n{steps}",
    )


def _planned(step: StepState) -> PlannedActivity:
    return PlannedActivity(step.name, step.title, step.limit_seconds, step.stage, step.action)
