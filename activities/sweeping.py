"""Removes what ended operations left, however long that takes.

The operation is settled, so no run owns it.  Each try draws a fence of its own, so that sooner
or later one outranks all that the cloud has seen, also where the database was set back to an
earlier day.  A late one is refused once a later operation on the same thing has begun.
"""

import asyncio
from dataclasses import dataclass

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.attempts import cluster_of
from activities.steps import Steps, beating
from cks.db.operations import operations, settling
from cks.db.session import Database
from cks.domain.clusters.clusters import ProviderResource
from cks.domain.operations import steps
from cks.domain.operations.inputs import OrphanInput
from cks.domain.operations.lifecycle import OperationRef
from cks.domain.operations.state import OperationState, StepState
from cks.domain.refusals import Declined, NotFound

TRY_SECONDS = 30.0
"""How long one try waits for the thing to go: what stays must not keep workers from new work."""
STILL_THERE = "still_there"


@dataclass(frozen=True, slots=True)
class Removal:
    """Which orphan of which operation to remove; what it is, the operation's rows say."""

    operation: OperationRef
    orphan: OrphanInput


class Sweeping:
    """Run twice, it acts once; run side by side, it removes the same."""

    def __init__(self, database: Database, steps: Steps) -> None:
        self._database = database
        self._steps = steps

    @activity.defn
    async def sweep_orphan(self, removal: Removal) -> None:
        """Remove an orphan and note that it is gone; a refusal is met again later, too."""
        found = await self._begin(removal)
        if found is None:
            return
        resource, fence = found
        try:
            async with beating(), asyncio.timeout(TRY_SECONDS):
                await self._steps.remove(resource, fence)
        except TimeoutError as late:
            raise ApplicationError("it is still there", type=STILL_THERE) from late
        except Declined as no:
            raise ApplicationError(no.detail, type=no.code) from no
        ref, step = removal.operation, removal.orphan.step
        async with self._database.begin(ref.tenant_id) as session:
            await settling.note_swept(session, ref.id, step)

    async def _begin(self, removal: Removal) -> tuple[ProviderResource, int] | None:
        """Draw a fence for this try at what is left; ``None`` if nothing is.

        The database was set back where nobody knows the operation: the sweep fails for good.
        """
        ref, name = removal.operation, removal.orphan.step
        async with self._database.begin(ref.tenant_id) as session:
            try:
                operation = await operations.lock(session, ref.id)
            except NotFound as no:
                raise ApplicationError(no.detail, type=no.code, non_retryable=True) from no
            step = operation.step(name)
            if not steps.orphans_among([step]):
                return None
            await operations.draw_fence(session, operation)
            return _resource(operation, step), operation.acting_fence


def _resource(operation: OperationState, step: StepState) -> ProviderResource:
    """Return what a step made; nothing but that is ever swept."""
    if step.makes is None:
        raise AssertionError(f"the step {step.name} makes nothing that could be left")
    cluster_id = cluster_of(operation)
    return ProviderResource(step.makes, cluster_id, step.resource_id or cluster_id)
