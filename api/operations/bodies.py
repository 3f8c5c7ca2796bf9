"""Operations as a tenant reads them."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from pydantic import Field

from api.http.validation import ResponseBody
from cks.db.operations.views import OperationView
from cks.domain.operations.lifecycle import Culprit


class StepBody(ResponseBody):
    """A step of the plan; several may run at once."""

    name: str
    title: str
    status: Literal["pending", "running", "completed", "failed", "undone"]
    weight: int
    """Its part of the operation's progress, in percent."""
    attempt: int
    started_at: datetime | None
    completed_at: datetime | None
    last_error: str | None
    """Why its last attempt failed, if one did."""


class CancelBody(ResponseBody):
    """Whether a cancel would do anything now, what, and until which step."""

    possible: bool
    effect: Literal["rolls_back", "stops_at_boundary", "none"]
    until_step: str | None
    reason: str | None


class ErrorBody(ResponseBody):
    """Why an operation failed."""

    code: str
    """Stable; the errors page explains each."""
    message: str
    fault: Culprit
    """Whose it was."""
    retryable: bool
    """Whether the same request may succeed later."""
    details: dict[str, object]


class CreatorBody(ResponseBody):
    """Who asked."""

    id: UUID
    email: str | None
    """Null once the user is gone."""
    token_id: UUID | None


class OrphanBody(ResponseBody):
    """Something of a failed or cancelled operation that is still to be removed."""

    kind: Literal["network", "control_plane", "node_pool"]
    id: UUID
    name: str | None
    since: datetime


class OperationBody(ResponseBody):
    """A change that takes time."""

    id: UUID
    type: str
    """What kind of change: a resource and a verb."""
    status: Literal["pending", "running", "completed", "failed", "cancelled"]
    done: bool
    """Whether it has ended, in whatever way."""
    progress: int
    """From 0 to 100; it never falls, and 100 means completed."""
    resource_type: str
    resource_id: UUID
    resource_name: str | None
    cluster_id: UUID | None
    request: dict[str, object]
    """What was asked for, with every choice made."""
    steps: list[StepBody]
    phase: Literal["waiting", "forward", "compensating", "held", "done"]
    """Where it is: `compensating` while what was made is undone."""
    status_reason: str | None
    blocked_by: list[dict[str, object]] = Field(default_factory=list)
    cancel: CancelBody
    on_failure: Literal["rollback", "hold"] = "rollback"
    held_until: datetime | None = None
    deadline_at: datetime | None = None
    """By when it has ended, in whatever way; it may come nearer, and never moves away."""
    estimated_completion_at: datetime | None
    """Null once it is done, or turns back."""
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    created_by: CreatorBody
    cancel_requested_at: datetime | None
    paused_at: datetime | None = None
    retry_of: UUID | None = None
    rollback_of: UUID | None = None
    queued_behind: UUID | None = None
    orphans: list[OrphanBody] = Field(default_factory=list)
    """What could not be removed before it ended, and is not removed yet: not yours to pay for."""
    error: ErrorBody | None
    workflow_id: str


class OperationPage(ResponseBody):
    results: list[OperationBody]
    next_page_token: str | None


def operation_body(view: OperationView, provider_speed: float) -> OperationBody:
    """Return an operation as it was at its moment."""
    return OperationBody.model_validate(
        {
            **view.snapshot,
            "id": view.id,
            "type": view.type,
            "resource_type": view.resource_type,
            "resource_id": view.resource_id,
            "resource_name": view.resource_name,
            "cluster_id": view.cluster_id,
            "request": view.request,
            "estimated_completion_at": _estimate(view, provider_speed),
            "created_at": view.created_at,
            "created_by": CreatorBody(id=view.actor_id, email=view.email, token_id=view.token_id),
            "workflow_id": view.workflow_id,
        }
    )


def _estimate(view: OperationView, provider_speed: float) -> datetime | None:
    """Say when it should be done, going by the plan; ``None`` once it is, or turns back."""
    snapshot = view.snapshot
    if snapshot["phase"] not in ("waiting", "forward"):
        return None
    # Events of before revision 0016 say the weights alone: at worst, all steps one after the other.
    planned = snapshot.get("expected_seconds") or sum(one["weight"] for one in snapshot["steps"])
    began = snapshot["started_at"]
    start = datetime.fromisoformat(began) if began else view.created_at
    return start + timedelta(seconds=planned / provider_speed)
