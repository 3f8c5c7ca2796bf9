"""The run that removes what an ended operation left.

The orphans' rows are its outbox: as long as there are any, the reconciler asks for the run, and
Temporal has it once.
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

from cks.domain.clusters.clusters import Orphan, SweepOrder, Thing
from cks.domain.operations import steps
from cks.domain.operations.lifecycle import workflow_id
from cks.domain.operations.plans import made_by
from cks.domain.operations.state import OperationState, StepState
from cks.temporal.engine import Launch
from workflows.sweep_orphans import SweepOrphans

SWEEP = "orphans.sweep"


def sweep_of(operation: OperationState) -> Launch | None:
    """Return the run that an ended operation needs; ``None`` once nothing is left of it."""
    orphans = steps.orphans_among(operation.steps)
    if not orphans:
        return None
    order = SweepOrder(
        operation=operation.ref,
        cluster_id=operation.resource_id,
        orphans=tuple(_things(operation, orphans)),
    )
    titles = "\n".join(f"* {step.title}" for step in orphans)
    return Launch(
        workflow=SweepOrphans.run,
        order=order,
        workflow_id=sweep_id(operation.id),
        operation_type=SWEEP,
        summary=f"Remove what is left of cluster {operation.resource_name}",
        details=f"Operation `{operation.id}` of tenant `{operation.tenant_id}`\n\n{titles}",
    )


def sweep_id(operation_id: UUID) -> str:
    """Return the id of every run that sweeps for the operation, one after the other."""
    return workflow_id(SWEEP, operation_id)


def _things(operation: OperationState, orphans: Sequence[StepState]) -> Iterator[Orphan]:
    """Yield what is to be removed, the last made first."""
    cluster_id = operation.resource_id
    for step in reversed(orphans):
        if made := made_by(step.name):
            yield Orphan(step.name, Thing(made[0], cluster_id, step.resource_id or cluster_id))
