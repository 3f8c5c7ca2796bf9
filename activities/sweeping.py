"""Removes what ended operations left, however long that takes.

The operation is settled, so no run owns it.  Each try draws a fence of its own, so that sooner
or later one outranks all that the cloud has seen, also where the database was set back to an
earlier day.  A late one is refused once a later operation on the same thing has begun.
"""

import asyncio
from dataclasses import dataclass

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.steps import Steps, beating
from cks.db.operations import operations, settling
from cks.db.session import Database
from cks.domain.clusters.clusters import Orphan
from cks.domain.operations import steps
from cks.domain.operations.lifecycle import OperationRef
from cks.domain.refusals import Declined, NotFound

TRY_SECONDS = 30.0
"""How long one try waits for the thing to go: what stays must not keep workers from orders."""
STILL_THERE = "still_there"


@dataclass(frozen=True, slots=True)
class Removal:
    """Which orphan of which operation to remove."""

    operation: OperationRef
    orphan: Orphan


class Sweeping:
    """Run twice, it acts once; run side by side, it removes the same."""

    def __init__(self, database: Database, steps: Steps) -> None:
        self._database = database
        self._steps = steps

    @activity.defn
    async def sweep_orphan(self, removal: Removal) -> None:
        """Remove an orphan and note that it is gone; a refusal is met again later, too."""
        fence = await self._begin(removal)
        if fence is None:
            return
        try:
            async with beating(), asyncio.timeout(TRY_SECONDS):
                await self._steps.remove(removal.orphan.thing, fence)
        except TimeoutError as late:
            raise ApplicationError("it is still there", type=STILL_THERE) from late
        except Declined as no:
            raise ApplicationError(no.detail, type=no.code) from no
        ref, step = removal.operation, removal.orphan.step
        async with self._database.begin(ref.tenant_id) as session:
            await settling.note_swept(session, ref.id, step)

    async def _begin(self, removal: Removal) -> int | None:
        """Draw a fence for this try; ``None`` if nothing is left to remove.

        The database was set back where nobody knows the operation: the sweep fails for good.
        """
        ref, name = removal.operation, removal.orphan.step
        async with self._database.begin(ref.tenant_id) as session:
            try:
                operation = await operations.lock(session, ref.id)
            except NotFound as no:
                raise ApplicationError(no.detail, type=no.code, non_retryable=True) from no
            if not steps.orphans_among([operation.step(name)]):
                return None
            await operations.draw_fence(session, operation)
            return operations.fence_of(operation)
