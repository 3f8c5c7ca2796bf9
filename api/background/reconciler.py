"""Repairs what Temporal and the rows disagree about.

A terminated run undoes nothing and tells nobody.  The reconciler finds its row still live,
tells the truth at once (``compensating``, ``engine_lost``) and starts a run that can only come
back.  A row whose run Temporal does not know (its store was lost) gets a new run, which goes
on from the recorded steps; so does a row whose run ended by itself, which none does before its
row is settled: the database was set back.  A run that is still open long after its row was
settled is ended.

As long as an ended operation has orphans, there is a run that removes them.

It lives beside the relay and not in a workflow: the patient must not be its own doctor, nor
need the workers that may be missing.  One process reconciles at a time; two at once would do
no harm, since each repair compares under the row's lock before it sets.
"""

import logging
import time
from functools import partial

from api.background.batches import each
from api.background.metrics import ORPHANED, REPAIRS, Repair
from api.background.orphan_sweeps import sweep_of
from api.background.relay import launch_of
from cks.db import activity_log, registry
from cks.db.dispatch import Dispatch, Found
from cks.db.operations import events, operations
from cks.db.session import Database, Session
from cks.domain.operations.failures import ENGINE_LOST, failed_at
from cks.domain.operations.lifecycle import LIVE, OperationStatus
from cks.domain.operations.state import OperationState
from cks.domain.registry import RUN_BY_WORKFLOWS
from cks.temporal.engine import Engine

EVERY_SECONDS = 5.0
QUIET_SECONDS = 2.0
"""A row that told something just now has a run; the truth is to be told within ten seconds."""
SETTLING_SECONDS = 30.0
MEMORY_SECONDS = 120.0
"""How far back of the last whole look it looks for what was settled."""
FIRST_MEMORY_SECONDS = 3600.0
BATCH = 1000
LOCK = 0x636B73  # "cks"

log = logging.getLogger("cks.reconciler")


class Reconciler:
    """Compares rows with runs; every repair is in the activity log."""

    def __init__(self, database: Database, dispatch: Dispatch, engine: Engine) -> None:
        self._database = database
        self._dispatch = dispatch
        self._engine = engine
        self._remembered = time.monotonic() - FIRST_MEMORY_SECONDS

    async def reconcile(self, quiet_seconds: float = QUIET_SECONDS) -> None:
        """Compare every row that has been silent with its run, and repair; sweep.

        Trouble with one part is raised when the others have had their turn.
        """
        troubles: list[Exception] = []
        for part in (partial(self.revive, quiet_seconds), self.end_survivors, self.sweep):
            try:
                await part()
            except Exception as error:  # noqa: BLE001  (raised below)
                troubles.append(error)
        for trouble in troubles:
            raise trouble

    async def revive(self, quiet_seconds: float) -> None:
        """Give every live operation that has been silent the run that it needs."""
        found = await self._dispatch.find_delivered(RUN_BY_WORKFLOWS, BATCH, quiet_seconds)
        await each(self._revive, found)

    async def end_survivors(self, settling_seconds: float = SETTLING_SECONDS) -> None:
        """End the runs that are open long after their operations were settled."""
        began = time.monotonic()
        memory = began - self._remembered + MEMORY_SECONDS
        types = RUN_BY_WORKFLOWS
        settled = await self._dispatch.find_settled(types, BATCH, settling_seconds, memory)
        await each(self._end, settled)
        self._remembered = began

    async def sweep(self) -> None:
        """See to it that all that ended operations left is being removed."""
        orphaned = await self._dispatch.find_orphaned(RUN_BY_WORKFLOWS, BATCH)
        ORPHANED.set(len(orphaned))
        await each(self._sweep, orphaned)

    async def _sweep(self, found: Found) -> None:
        """See to it that a run removes what is left; asking again starts no second one."""
        async with self._database.begin(found.ref.tenant_id) as session:
            operation = await operations.read(session, found.ref.id)
            launch = sweep_of(operation)
        if launch:
            await self._engine.start(launch, again=True)

    async def _revive(self, found: Found) -> None:
        """Give a live operation the run that it needs."""
        run = await self._engine.latest_run(found.workflow_id)
        if run is not None and not run.closed:
            return
        async with self._database.begin(found.ref.tenant_id) as session:
            operation = await operations.lock(session, found.ref.id)
            if operation.status not in LIVE or operation.fence != found.fence:
                return
            if run is None or (run.completed and operation.ending is None):
                await self._log(session, operation, Repair.RUN_RESTARTED)
            else:
                await self._turn_back(session, operation)
            launch = launch_of(operation) if operation.status in LIVE else None
        if launch:
            await self._engine.start(launch, again=True)

    async def _turn_back(self, session: Session, operation: OperationState) -> None:
        """Shut the lost run out, and tell the truth at once.

        Nothing was done for what is still pending, so that ends here.
        """
        if operation.ending is None:
            await operations.turn_back(session, operation, failed_at(ENGINE_LOST, None))
        else:
            await operations.draw_fence(session, operation)
        operation.run_id = None
        if operation.status is OperationStatus.PENDING:
            await registry.settle(session, operation)
        else:
            await events.record(session, operation)
        await self._log(session, operation, Repair.ENGINE_LOST)

    async def _end(self, found: Found) -> None:
        """End a run that outlived its operation."""
        run = await self._engine.latest_run(found.workflow_id)
        if run is None or run.closed:
            return
        await self._engine.terminate(found.workflow_id, "the operation is settled")
        async with self._database.begin(found.ref.tenant_id) as session:
            operation = await operations.read(session, found.ref.id)
            await self._log(session, operation, Repair.RUN_ENDED)

    async def _log(self, session: Session, operation: OperationState, action: Repair) -> None:
        REPAIRS.labels(action).inc()
        log.warning(action)
        await activity_log.log_upkeep(session, operation, action)
