"""Remove what an operation could not undo by its deadline, without end and without a hand."""

from itertools import groupby

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.sweeping import Removal, Sweeping
    from cks.domain.clusters.clusters import Orphan, SweepOrder
    from workflows.saga import ATTEMPT, ENDLESS, HEARTBEAT, WAIT, side_by_side


@workflow.defn
class SweepOrphans:
    """One open run per operation with orphans: the reconciler starts it, also after an end.

    The kinds go one after the other, last made first, as an undo does; orphans of one kind
    side by side, a few at a time.
    """

    @workflow.run
    async def run(self, order: SweepOrder) -> None:
        for _, found in groupby(order.orphans, lambda orphan: orphan.thing.kind):
            orphans = list(found)
            await side_by_side(orphans, lambda one: self._remove(order, one))

    async def _remove(self, order: SweepOrder, orphan: Orphan) -> None:
        await workflow.execute_activity_method(
            Sweeping.sweep_orphan,
            Removal(order.operation, orphan),
            summary=f"Remove what is left of {orphan.step}",
            start_to_close_timeout=ATTEMPT,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=ENDLESS,
            cancellation_type=WAIT,
        )
