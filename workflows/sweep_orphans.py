"""Remove what an operation could not undo by its deadline, without end and without a hand."""

from itertools import groupby

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.sweeping import Removal, Sweeping
    from cks.domain.operations.inputs import OrphanInput, SweepInput
    from workflows.saga import ATTEMPT, ENDLESS, HEARTBEAT, WAIT, side_by_side


@workflow.defn
class SweepOrphans:
    """One open run per operation with orphans: the reconciler starts it, also after an end.

    The stages go one after the other, last made first, as an undo does; orphans of one stage
    side by side, a few at a time.
    """

    @workflow.run
    async def run(self, given: SweepInput) -> None:
        for _, found in groupby(given.orphans, lambda orphan: orphan.group):
            orphans = list(found)
            await side_by_side(orphans, lambda one: self._remove(given, one))

    async def _remove(self, given: SweepInput, orphan: OrphanInput) -> None:
        await workflow.execute_activity_method(
            Sweeping.sweep_orphan,
            Removal(given.operation, orphan),
            summary=f"Remove what is left of {orphan.step}",
            start_to_close_timeout=ATTEMPT,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=ENDLESS,
            cancellation_type=WAIT,
        )
