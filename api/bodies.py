"""The bodies of the contract: what is taken and what is given, field by field."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from api.reading import Label, Strict, Whole, below, demand, only
from cks.catalogue import Catalogue
from cks.domain import versions
from cks.domain.clusters import (
    DEFAULT_POD_CIDR,
    DEFAULT_SERVICE_CIDR,
    check_networking,
    check_pool_size,
    check_pools,
)
from cks.domain.operations import Culprit
from cks.domain.refusals import Fault

MOST_NODES_PER_POOL = 1_000
MOST_POOLS = 20
MOST_TAGS = 50

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=255)]
TagKey = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$", max_length=63)
]
DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
LabelKey = Annotated[
    str,
    StringConstraints(
        pattern=rf"^({DNS_LABEL}(\.{DNS_LABEL})*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$",
        max_length=253,
    ),
]
LabelValue = Annotated[
    str,
    StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63),
]
Version = Annotated[str, StringConstraints(pattern=r"^\d{1,3}\.\d{1,3}(\.\d{1,3})?$")]
Name = Annotated[str, StringConstraints(max_length=64)]


class Taint(Strict):
    """Keeps pods away that do not tolerate it (Kubernetes ``core/v1`` Taint)."""

    key: LabelKey
    value: LabelValue = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


def _offered_type(name: str, known: ValidationInfo) -> str:
    offered = [kind.name for kind in _catalogue(known).instance_types]
    if name not in offered:
        detail = f"{name} is unknown; choose one of {', '.join(offered)}"
        demand([Fault("", "unknown_instance_type", detail)])
    return name


def _offered_version(version: str | None, known: ValidationInfo) -> str:
    today = datetime.now(UTC).date()
    found = versions.resolve(_catalogue(known).minors, version, today)
    if isinstance(found, Fault):
        demand([replace(found, pointer="")])
    return str(found)


def _catalogue(known: ValidationInfo) -> Catalogue:
    catalogue: Catalogue = known.context["catalogue"]  # type: ignore[index]
    return catalogue


class NewNodePool(Strict):
    """Like machines; ``disk_size`` in GiB."""

    name: Label
    node_count: Annotated[Whole, Field(ge=1, le=MOST_NODES_PER_POOL)]
    min_nodes: Annotated[Whole, Field(ge=0, le=MOST_NODES_PER_POOL)]
    max_nodes: Annotated[Whole, Field(ge=1, le=MOST_NODES_PER_POOL)]
    instance_type: Annotated[Name, AfterValidator(_offered_type)]
    disk_size: Annotated[Whole, Field(ge=10, le=16_384)]
    labels: Annotated[dict[LabelKey, LabelValue], Field(default_factory=dict, max_length=50)]
    taints: Annotated[list[Taint], Field(default_factory=list, max_length=50)]
    autoscaling: Annotated[bool, only(built=False)] = False

    @field_validator("taints")
    @classmethod
    def _each_taint_once(cls, taints: list[Taint]) -> list[Taint]:
        seen = Counter((taint.key, taint.effect) for taint in taints)
        twice = [f"{key}:{effect}" for (key, effect), count in seen.items() if count > 1]
        demand([Fault("", "duplicate_taint", f"{one} is there twice") for one in twice])
        return taints


class Networking(Strict):
    """Two IPv4 CIDR blocks that do not overlap, from /8 to /24."""

    pod_cidr: Name = DEFAULT_POD_CIDR
    service_cidr: Name = DEFAULT_SERVICE_CIDR


class NewCluster(Strict):
    """``version`` is a minor such as ``1.35``, which means its newest patch, or that patch."""

    name: Label
    version: Annotated[Version | None, AfterValidator(_offered_version)] = Field(
        default=None, validate_default=True
    )
    networking: Networking = Networking()
    tags: Annotated[dict[TagKey, Text], Field(default_factory=dict, max_length=MOST_TAGS)]
    node_pools: Annotated[list[NewNodePool], Field(min_length=1, max_length=MOST_POOLS)]
    deletion_protection: Annotated[bool, only(built=False)] = False
    on_failure: Annotated[Literal["rollback", "hold"], only(built="rollback")] = "rollback"

    @classmethod
    def rules(cls, text: Mapping[str, object]) -> list[Fault]:
        """Judge what fields say together, as far as each is of its type."""
        return [*_range_faults(text.get("networking", {})), *_pool_faults(text.get("node_pools"))]


def _range_faults(asked: object) -> list[Fault]:
    if not isinstance(asked, dict):
        return []
    pods = asked.get("pod_cidr", DEFAULT_POD_CIDR)
    services = asked.get("service_cidr", DEFAULT_SERVICE_CIDR)
    if not isinstance(pods, str) or not isinstance(services, str):
        return []
    return below("/networking", check_networking(pods, services))


def _pool_faults(asked: object) -> list[Fault]:
    pools = asked if isinstance(asked, list) else []
    faults = check_pools([(_name(pool), _number(pool, "node_count") or 0) for pool in pools])
    for place, pool in enumerate(pools):
        sizes = [_number(pool, name) for name in ("node_count", "min_nodes", "max_nodes")]
        count, least, most = sizes
        if count is not None and least is not None and most is not None:
            faults += check_pool_size(f"/{place}", count, least, most)
    return below("/node_pools", faults)


def _name(pool: object) -> str | None:
    name = pool.get("name") if isinstance(pool, dict) else None
    return name if isinstance(name, str) else None


def _number(pool: object, name: str) -> int | None:
    """Return a field's number; ``None`` for one that the field's own rule refuses."""
    number = pool.get(name) if isinstance(pool, dict) else None
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    fits = 0 <= number <= MOST_NODES_PER_POOL and number == int(number)
    return int(number) if fits else None


class Given(BaseModel):
    """A body that we give."""

    model_config = ConfigDict(frozen=True)


class StepBody(Given):
    name: str
    title: str
    status: Literal["pending", "running", "completed", "failed", "undone"]
    weight: int
    attempt: int
    started_at: datetime | None
    completed_at: datetime | None
    last_error: str | None


class CancelBody(Given):
    """Whether a cancel would do anything now, what, and until which step."""

    possible: bool
    effect: Literal["rolls_back", "stops_at_boundary", "none"]
    until_step: str | None
    reason: str | None


class ErrorBody(Given):
    code: str
    message: str
    fault: Culprit
    retryable: bool
    details: dict[str, object]


class CreatorBody(Given):
    """Who asked; ``email`` is null once the user is gone."""

    id: UUID
    email: str | None
    token_id: UUID | None


class OperationBody(Given):
    """A change that takes time.  ``progress`` 0 to 100 never falls; 100 means completed."""

    id: UUID
    type: str
    status: Literal["pending", "running", "completed", "failed", "cancelled"]
    done: bool
    progress: int
    resource_type: str
    resource_id: UUID
    resource_name: str | None
    cluster_id: UUID | None
    request: dict[str, object]
    steps: list[StepBody]
    phase: Literal["waiting", "forward", "compensating", "held", "done"]
    status_reason: str | None
    blocked_by: list[dict[str, object]] = []
    cancel: CancelBody
    on_failure: Literal["rollback", "hold"] = "rollback"
    held_until: datetime | None = None
    deadline_at: datetime | None = None
    estimated_completion_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    created_by: CreatorBody
    cancel_requested_at: datetime | None
    paused_at: datetime | None = None
    retry_of: UUID | None = None
    rollback_of: UUID | None = None
    queued_behind: UUID | None = None
    orphans: list[dict[str, object]] = []
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


class ClusterBody(Given):
    id: UUID
    name: str
    status: Status
    version: str
    target_version: str | None = None
    generation: int
    observed_generation: int
    endpoint: str | None
    networking: NetworkingBody
    tags: dict[str, str]
    deletion_protection: bool = False
    maintenance_window: None = None
    current_operation_id: UUID | None
    queued_operation_ids: list[UUID] = []
    conditions: list[ConditionBody]
    node_pools: list[PoolSummary]
    cost: None = None
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime
    etag: str


class NodePoolBody(Given):
    """``disk_size`` in GiB."""

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


class VersionBody(Given):
    """A Kubernetes minor; ``extended_until`` ends our own year after upstream's end of life."""

    minor: str
    latest_patch: str
    support: Literal["preview", "supported", "deprecated", "extended", "expired"]
    orderable: bool
    default: bool
    released: date
    maintenance_from: date | None
    end_of_life: date
    extended_until: date


class InstanceTypeBody(Given):
    """``memory_gib`` in GiB."""

    name: str
    vcpus: int
    memory_gib: int
    architecture: str


class OperationPage(Given):
    results: list[OperationBody]
    next_page_token: str | None


class ClusterPage(Given):
    results: list[ClusterBody]
    next_page_token: str | None


class NodePoolPage(Given):
    results: list[NodePoolBody]
    next_page_token: str | None


class VersionPage(Given):
    results: list[VersionBody]
    next_page_token: str | None = None


class InstanceTypePage(Given):
    results: list[InstanceTypeBody]
    next_page_token: str | None = None
