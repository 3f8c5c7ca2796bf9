"""Enforces ``deadline_at``, even if workers or Temporal are missing.

A run settles its operation in time by itself.  Where none does (no worker, paused, lost), each
process that runs the loops does it here, seconds before the deadline, from the rows alone: this
one asks nobody but PostgreSQL, waits for no lock, and shares nothing with what may stall.
"""

import logging

from api.background.batches import each
from api.background.metrics import REPAIRS, Repair
from cks.db import activity_log, registry
from cks.db.dispatch import Dispatch, Found
from cks.db.operations import operations
from cks.db.session import Database
from cks.domain.operations.deadlines import SETTLE_EARLY
from cks.domain.operations.failures import DEADLINE_EXCEEDED, failed_at
from cks.domain.operations.lifecycle import LIVE
from cks.domain.registry import RUN_BY_WORKFLOWS

EVERY_SECONDS = 1.0
BATCH = 200

log = logging.getLogger("cks.deadlines")


class DeadlineKeeper:
    """Two at once do no harm: whoever has the row's lock settles it, once."""

    def __init__(self, database: Database, dispatch: Dispatch) -> None:
        self._database = database
        self._dispatch = dispatch

    async def keep(self) -> None:
        """End every live operation whose deadline is about to come."""
        lead = SETTLE_EARLY.total_seconds()
        await each(self._end, await self._dispatch.find_due(RUN_BY_WORKFLOWS, BATCH, lead))

    async def _end(self, found: Found) -> None:
        """End an operation as it stands; what it made becomes its orphans.

        A row that somebody has locked is being moved: it is looked at again a second later.
        """
        async with self._database.begin(found.ref.tenant_id) as session:
            operation = await operations.lock_if_free(session, found.ref.id)
            if operation is None or operation.status not in LIVE:
                return
            end_at = operation.deadlines.end_at
            if operation.seconds_until(end_at) > 0:
                return
            await operations.turn_back(session, operation, failed_at(DEADLINE_EXCEEDED, None))
            await registry.settle(session, operation)
            REPAIRS.labels(Repair.DEADLINE_PASSED).inc()
            log.warning(Repair.DEADLINE_PASSED)
            await activity_log.log_upkeep(session, operation, Repair.DEADLINE_PASSED)
