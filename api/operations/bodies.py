"""Operations as a tenant reads them."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from pydantic import Field

from api.http.validation import ResponseBody
from cks.db.operations.views import OperationView
from cks.domain.operations.lifecycle import Culprit


class StepBody(ResponseBody):
    """A step of the plan; several can run at once."""

    name: str
    title: str
    status: Literal["pending", "running", "completed", "failed", "undone"]
    weight: int
    """The relative weight of this step in the operation's progress."""
    attempt: int
    started_at: datetime | None
    completed_at: datetime | None
    last_error: str | None
    """Why the latest failed attempt failed."""


class CancelBody(ResponseBody):
    """Whether the operation can be cancelled now, to what effect, and up to which step."""

    possible: bool
    effect: Literal["rolls_back", "stops_at_boundary", "none"]
    until_step: str | None
    reason: str | None


class ErrorBody(ResponseBody):
    """Why an operation failed."""

    code: str
    """A stable code; the errors page explains each."""
    message: str
    fault: Culprit
    """Who caused the failure."""
    retryable: bool
    """Whether the same request could succeed later."""
    details: dict[str, object]


class CreatorBody(ResponseBody):
    """The user who requested it."""

    id: UUID
    email: str | None
    """Null if the user no longer exists."""
    token_id: UUID | None


class OrphanBody(ResponseBody):
    """A resource of a failed or cancelled operation that is yet to be removed."""

    kind: Literal["network", "control_plane", "node_pool"]
    id: UUID
    name: str | None
    since: datetime


class OperationBody(ResponseBody):
    """A long-running change."""

    id: UUID
    type: str
    """What kind of change: a resource and a verb."""
    status: Literal["pending", "running", "completed", "failed", "cancelled"]
    done: bool
    """Whether it has completed, failed or been cancelled."""
    progress: int
    """From 0 to 100; never decreases, and reaches 100 only when completed."""
    resource_type: str
    resource_id: UUID
    resource_name: str | None
    cluster_id: UUID | None
    request: dict[str, object]
    """The request, with all defaults filled in."""
    steps: list[StepBody]
    phase: Literal["waiting", "forward", "compensating", "held", "done"]
    """The current phase; `compensating` while changes are being undone."""
    status_reason: str | None
    blocked_by: list[dict[str, object]] = Field(default_factory=list)
    cancel: CancelBody
    on_failure: Literal["rollback", "hold"] = "rollback"
    held_until: datetime | None = None
    deadline_at: datetime | None = None
    """When it will have ended at the latest; can move closer, but never further away."""
    estimated_completion_at: datetime | None
    """Null once it is done or being undone."""
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
    """Resources that are yet to be removed; you do not pay for them."""
    error: ErrorBody | None
    workflow_id: str


class OperationPage(ResponseBody):
    results: list[OperationBody]
    next_page_token: str | None


def operation_body(view: OperationView, provider_speed: float) -> OperationBody:
    """Return an operation as it was when its snapshot was taken."""
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
    """Return when it should complete, by its plan; ``None`` once it has ended or turned back."""
    snapshot = view.snapshot
    if snapshot["phase"] not in ("waiting", "forward"):
        return None
    # Events from before revision 0016 have only weights: at worst, all steps run one after another.
    planned = snapshot.get("expected_seconds") or sum(one["weight"] for one in snapshot["steps"])
    began = snapshot["started_at"]
    start = datetime.fromisoformat(began) if began else view.created_at
    return start + timedelta(seconds=planned / provider_speed)
