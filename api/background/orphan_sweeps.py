"""The run that removes what an ended operation left.

The orphans' rows are its outbox: as long as there are any, the reconciler asks for the run, and
Temporal has it once.
"""

from uuid import UUID

from cks.domain.operations import steps
from cks.domain.operations.inputs import OrphanInput, SweepInput
from cks.domain.operations.lifecycle import workflow_id
from cks.domain.operations.state import OperationState
from cks.temporal.engine import Launch

SWEEP, WORKFLOW = "orphans.sweep", "SweepOrphans"


def sweep_of(operation: OperationState) -> Launch | None:
    """Return the run that an ended operation needs; ``None`` once nothing is left of it."""
    orphans = steps.orphans_among(operation.steps)
    if not orphans:
        return None
    # The steps' names alone: what each made is read from its row by the activity.
    last_made_first = [OrphanInput(step.name, step.stage) for step in reversed(orphans)]
    titles = "\n".join(f"* {step.title}" for step in orphans)
    return Launch(
        workflow=WORKFLOW,
        input=SweepInput(operation.ref, tuple(last_made_first)),
        workflow_id=sweep_id(operation.id),
        operation_type=SWEEP,
        cluster_id=operation.cluster_id,
        summary=f"Remove what is left of {operation.resource_type} {operation.resource_name}",
        details=f"Operation `{operation.id}` of tenant `{operation.tenant_id}`\n\n{titles}",
    )


def sweep_id(operation_id: UUID) -> str:
    """Return the id of every run that sweeps for the operation, one after the other."""
    return workflow_id(SWEEP, operation_id)
