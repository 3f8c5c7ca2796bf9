"""How an operation stands at a moment, in a tenant's words: derived from its rows."""

from datetime import datetime
from typing import cast

from cks.domain.instants import rfc3339, rfc3339_or_none
from cks.domain.operations.lifecycle import (
    LIVE,
    CancelEffect,
    ErrorSnapshot,
    OperationSnapshot,
    OperationStatus,
    OrphanSnapshot,
    Phase,
    StepSnapshot,
    StepStatus,
    cancel_snapshot,
    phase_of,
)
from cks.domain.operations.plans import Plan, PlannedStep, expected_seconds
from cks.domain.operations.state import OperationState, StepState
from cks.domain.operations.steps import orphans_among
from cks.domain.operations.types import OperationType
from cks.domain.registry import TYPES


def snapshot_of(operation: OperationState) -> OperationSnapshot:
    """Say how an operation stands, without a word about persons."""
    steps = operation.steps
    last = steps[-1].name if steps else None
    return OperationSnapshot(
        status=operation.status,
        done=operation.status not in LIVE,
        progress=operation.progress,
        phase=phase_of(operation.status, operation.ending, held=operation.held_until is not None),
        status_reason=_reason(operation),
        expected_seconds=expected_seconds([(step.stage, step.weight) for step in steps]),
        steps=[_step_snapshot(step) for step in steps],
        cancel=cancel_snapshot(_effect(operation), operation.status, operation.ending, last),
        started_at=rfc3339(operation.started_at) if _was_taken(operation) else None,
        completed_at=rfc3339_or_none(operation.completed_at),
        cancel_requested_at=rfc3339_or_none(operation.cancel_requested_at),
        deadline_at=rfc3339_or_none(operation.deadline_at),
        held_until=rfc3339_or_none(operation.held_until),
        orphans=_orphan_snapshots(operation),
        error=_error(operation),
    )


def _effect(operation: OperationState) -> CancelEffect:
    return TYPES[operation.type].on_failure.cancel_effect


def first_snapshot(
    kind: OperationType, plan: Plan, deadline_at: datetime | None
) -> OperationSnapshot:
    """Say how an operation stands that has just been accepted, with all its steps before it."""
    steps, effect = plan.steps, kind.on_failure.cancel_effect
    last = steps[-1].name if steps else None
    return OperationSnapshot(
        status=OperationStatus.PENDING,
        done=False,
        progress=0,
        phase=Phase.WAITING,
        status_reason=None,
        expected_seconds=plan.expected_seconds,
        steps=[_first_step(step) for step in steps],
        cancel=cancel_snapshot(effect, OperationStatus.PENDING, None, last),
        started_at=None,
        completed_at=None,
        cancel_requested_at=None,
        deadline_at=rfc3339_or_none(deadline_at),
        held_until=None,
        orphans=[],
        error=None,
    )


def _first_step(step: PlannedStep) -> StepSnapshot:
    return StepSnapshot(
        name=step.name,
        title=step.title,
        status=StepStatus.PENDING,
        weight=step.expected_seconds,
        attempt=0,
        started_at=None,
        completed_at=None,
        last_error=None,
    )


def _was_taken(operation: OperationState) -> bool:
    """Say whether it ever began; until then ``started_at`` holds the acceptance."""
    done = operation.status is OperationStatus.COMPLETED
    return done or operation.started_at > operation.created_at


def _reason(operation: OperationState) -> str | None:
    return operation.error if operation.ending is not None else None


def _error(operation: OperationState) -> ErrorSnapshot | None:
    """Return the error of a failed operation; one being undone has a reason, no error yet."""
    if operation.status != "failed" or operation.failure is None:
        return None
    message = operation.error or ""
    return cast(ErrorSnapshot, {"message": message, **operation.failure})


def _step_snapshot(step: StepState) -> StepSnapshot:
    return StepSnapshot(
        name=step.name,
        title=step.title,
        status=step.status,
        weight=step.weight,
        attempt=step.attempt,
        started_at=rfc3339_or_none(step.started_at),
        completed_at=rfc3339_or_none(step.completed_at),
        last_error=step.last_error,
    )


def _orphan_snapshots(operation: OperationState) -> list[OrphanSnapshot]:
    return [
        OrphanSnapshot(
            kind=str(step.makes),
            id=str(step.resource_id or operation.cluster_id),
            name=step.resource_name or operation.resource_name,
            since=rfc3339(step.orphaned_at),
        )
        for step in orphans_among(operation.steps)
        if step.orphaned_at
    ]
