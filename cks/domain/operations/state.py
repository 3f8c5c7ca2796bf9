"""An operation and its steps, as changed by the code that has locked them.

Nothing is written behind anybody's back: who changes a state records it (``cks/db``), or nothing
was changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cks.domain.operations.deadlines import Deadlines
from cks.domain.operations.lifecycle import (
    Ending,
    OperationRef,
    OperationStatus,
    StepStatus,
)
from cks.domain.operations.plans import ResourceKind, Undo


@dataclass(slots=True)
class StepState:
    """A step of the plan (``plans.PlannedStep``).  ``fraction``: the part that is done, 0 to 1.

    ``undone_at``: when nothing was left of it any more.  ``orphaned_at``: when the operation
    ended without that; it is an orphan until ``undone_at``.  ``attempt`` counts under ``fence``.
    """

    position: int
    name: str
    title: str
    weight: int
    status: StepStatus
    fraction: float
    attempt: int
    started_at: datetime | None
    completed_at: datetime | None
    failing_since: datetime | None
    last_error: str | None
    resource_id: UUID | None
    resource_name: str | None
    stage: int
    action: str
    makes: ResourceKind | None
    undo: Undo
    limit_seconds: int
    fence: int | None
    undone_at: datetime | None
    orphaned_at: datetime | None


@dataclass(slots=True)
class OperationState:
    """An operation and its steps, in the plan's order.

    ``now`` is the database's clock when it was read; ``written``, the steps as the rows have
    them.  The rest is as in ``Operation``.
    """

    id: UUID
    tenant_id: UUID
    type: str
    status: OperationStatus
    resource_type: str
    resource_id: UUID
    resource_name: str | None
    cluster_id: UUID | None
    progress: int
    request: dict[str, Any]
    workflow_id: str
    created_by: UUID | None
    actor_id: UUID | None
    token_id: UUID | None
    request_id: str | None
    created_at: datetime
    started_at: datetime
    completed_at: datetime | None
    error: str | None
    failure: dict[str, object] | None
    run_id: str | None
    fence: int | None
    ending: Ending | None
    cancel_requested_at: datetime | None
    runnable_at: datetime | None
    dispatched_at: datetime | None
    updated_at: datetime
    forward_until: datetime | None
    deadline_at: datetime | None
    held_until: datetime | None
    now: datetime
    steps: list[StepState]
    written: Sequence[StepState] = ()

    @property
    def ref(self) -> OperationRef:
        return OperationRef(self.tenant_id, self.id)

    def step(self, name: str) -> StepState:
        """Return the step of that name; the plan has it."""
        return next(step for step in self.steps if step.name == name)

    @property
    def acting_fence(self) -> int:
        """Return the fence under which the run that has taken it acts."""
        if self.fence is None:
            raise AssertionError("an operation is acted on that no run has taken")
        return self.fence

    @property
    def deadlines(self) -> Deadlines:
        """Return the deadlines of an operation that is to be carried out."""
        if self.forward_until is None or self.deadline_at is None:
            raise AssertionError("an operation without deadlines is acted on")
        return Deadlines(self.forward_until, self.deadline_at)

    def seconds_until(self, at: datetime) -> float:
        """Return how long it is until then, by the database's clock."""
        return (at - self.now).total_seconds()
