"""The bodies of the contract that are given, field by field."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from api.forms import LabelKey, LabelValue
from api.reading import Strict
from cks.domain.operations import Culprit


class Taint(Strict):
    """Keeps pods away that do not tolerate it (Kubernetes ``core/v1`` Taint)."""

    key: LabelKey
    """A Kubernetes label's key: a DNS name and a slash may stand before it."""
    value: LabelValue = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class Given(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class StepBody(Given):
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


class CancelBody(Given):
    """Whether a cancel would do anything now, what, and until which step."""

    possible: bool
    effect: Literal["rolls_back", "stops_at_boundary", "none"]
    until_step: str | None
    reason: str | None


class ErrorBody(Given):
    """Why an operation failed."""

    code: str
    """Stable; the errors page explains each."""
    message: str
    fault: Culprit
    """Whose it was."""
    retryable: bool
    """Whether the same request may succeed later."""
    details: dict[str, object]


class CreatorBody(Given):
    """Who asked."""

    id: UUID
    email: str | None
    """Null once the user is gone."""
    token_id: UUID | None


class OrphanBody(Given):
    """Something of a failed or cancelled operation that is still to be removed."""

    kind: Literal["network", "control_plane", "node_pool"]
    id: UUID
    name: str | None
    since: datetime


class OperationBody(Given):
    """A change that takes time."""

    id: UUID
    type: str
    """Such as `cluster.create`."""
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
    blocked_by: list[dict[str, object]] = []
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
    orphans: list[OrphanBody] = []
    """What could not be removed before it ended, and is not removed yet: not yours to pay for."""
    error: ErrorBody | None
    workflow_id: str


class ConditionBody(Given):
    """A condition in Kubernetes' grammar."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    last_transition_time: datetime
    observed_generation: int


Status = Literal["pending", "provisioning", "running", "upgrading", "deleting", "failed"]


class PoolSummary(Given):
    id: UUID
    name: str
    status: Status
    version: str
    node_count: int
    ready_count: int


class NetworkingBody(Given):
    pod_cidr: str
    service_cidr: str


class CostBody(Given):
    """What it costs now, while it is as it was ordered."""

    hourly: str
    """A decimal number."""
    currency: str


class ClusterBody(Given):
    id: UUID
    name: str
    status: Status
    version: str
    target_version: str | None = None
    generation: int
    """Rises with each wish."""
    observed_generation: int
    """The wish that was last fulfilled."""
    endpoint: str | None
    networking: NetworkingBody
    tags: dict[str, str]
    deletion_protection: bool = False
    maintenance_window: None = None
    current_operation_id: UUID | None
    """The operation that holds it now."""
    queued_operation_ids: list[UUID] = []
    conditions: list[ConditionBody]
    node_pools: list[PoolSummary]
    cost: CostBody | None
    """Null where there is no price in the tenant's currency."""
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime
    etag: str


class NodePoolBody(Given):
    id: UUID
    cluster_id: UUID
    name: str
    status: Status
    version: str
    node_count: int
    ready_count: int
    min_nodes: int
    max_nodes: int
    autoscaling: bool = False
    instance_type: str
    disk_size: int
    """In GiB."""
    labels: dict[str, str]
    taints: list[Taint]
    max_surge: None = None
    max_unavailable: None = None
    drain_timeout_seconds: None = None
    on_drain_timeout: None = None
    generation: int
    observed_generation: int
    conditions: list[ConditionBody]
    etag: str


class OperationPage(Given):
    results: list[OperationBody]
    next_page_token: str | None


class ClusterPage(Given):
    results: list[ClusterBody]
    next_page_token: str | None


class NodePoolPage(Given):
    results: list[NodePoolBody]
    next_page_token: str | None
