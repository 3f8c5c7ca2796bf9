"""What passes between the simulated cloud and those who call it.

One path carries the protocol: ``POST /calls/{call}?fence=7``, the body being the spec of
``cks.providers.base`` as JSON (a delete's body holds the ids alone; ``observe`` has no fence).
POST throughout, because an HTTP client may silently repeat a GET, PUT or DELETE whose
connection broke, and would so hide the lost replies that this cloud is there to deal out.

An answer of 200 holds ``{"effect": …}`` or what was observed; every other one, ``{"code",
"message"}``.  An operator has ``GET /ledger[?cluster=ID]``, ``GET /clusters``, ``GET | POST |
DELETE /faults``, ``GET /health``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from cks.domain.clusters.pools import Taint
from cks.providers.base import AddonsSpec, ControlPlaneSpec, NetworkSpec, NodePoolSpec, State

LARGEST_FENCE = 2**63 - 1
Passed = TypeVar("Passed")
FORMS: dict[object, TypeAdapter[Any]] = {}


def form(kind: type[Passed]) -> TypeAdapter[Passed]:
    """Return what reads and writes a type as JSON; making one takes longer than using it."""
    if kind not in FORMS:
        FORMS[kind] = TypeAdapter(kind)
    return FORMS[kind]


class Call(StrEnum):
    ENSURE_NETWORK = "ensure_network"
    ENSURE_CONTROL_PLANE = "ensure_control_plane"
    ENSURE_NODE_POOL = "ensure_node_pool"
    ENSURE_ADDONS = "ensure_addons"
    ENSURE_NAMESPACE = "ensure_namespace"
    DELETE_NETWORK = "delete_network"
    DELETE_CONTROL_PLANE = "delete_control_plane"
    DELETE_NODE_POOL = "delete_node_pool"
    DELETE_NAMESPACE = "delete_namespace"
    OBSERVE = "observe"
    ISSUE_KUBECONFIG = "issue_kubeconfig"


@dataclass(frozen=True, slots=True)
class Clusters:
    """The ids of clusters."""

    ids: list[UUID]


class FaultKind(StrEnum):
    """What may befall a call.

    ``error``: it fails, without effect.  ``lost_reply``: it takes effect, and its connection
    breaks.  ``hang``: it waits until the faults are cleared, then goes on, its client gone or
    not.  ``quota``: it is refused.  ``slow``: it waits some seconds, then goes on.
    """

    ERROR = "error"
    LOST_REPLY = "lost_reply"
    HANG = "hang"
    QUOTA = "quota"
    SLOW = "slow"


class Kind(StrEnum):
    NETWORK = "network"
    CONTROL_PLANE = "control_plane"
    ADDONS = "addons"
    NODE_POOL = "node_pool"
    NODE = "node"


class Code(StrEnum):
    """Why a call was not carried out."""

    SUPERSEDED = "superseded"
    NOT_READY = "not_ready"
    IN_USE = "in_use"
    BEING_DELETED = "being_deleted"
    NO_CAPACITY = "no_capacity"
    QUOTA_EXCEEDED = "quota_exceeded"
    UNAVAILABLE = "unavailable"
    INVALID = "invalid"
    UNKNOWN = "unknown"
    NOT_BUILT = "not_built"


@dataclass(frozen=True, slots=True)
class NetworkRemoval:
    cluster_id: UUID


@dataclass(frozen=True, slots=True)
class ControlPlaneRemoval:
    cluster_id: UUID


@dataclass(frozen=True, slots=True)
class NodePoolRemoval:
    cluster_id: UUID
    pool_id: UUID


@dataclass(frozen=True, slots=True)
class Question:
    """What ``observe`` asks about."""

    cluster_id: UUID


Change = (
    NetworkSpec
    | ControlPlaneSpec
    | NodePoolSpec
    | AddonsSpec
    | NetworkRemoval
    | ControlPlaneRemoval
    | NodePoolRemoval
)

CHANGES: dict[Call, type[Change]] = {
    Call.ENSURE_NETWORK: NetworkSpec,
    Call.ENSURE_CONTROL_PLANE: ControlPlaneSpec,
    Call.ENSURE_NODE_POOL: NodePoolSpec,
    Call.ENSURE_ADDONS: AddonsSpec,
    Call.DELETE_NETWORK: NetworkRemoval,
    Call.DELETE_CONTROL_PLANE: ControlPlaneRemoval,
    Call.DELETE_NODE_POOL: NodePoolRemoval,
}


class FaultOrder(BaseModel):
    """Order a fault for the next ``times`` calls of that name (and of that cluster).

    ``seconds`` is how long a slow call waits; 5 where it is left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    call: Call
    kind: FaultKind
    times: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    seconds: Annotated[float, Field(ge=0, le=3600)] | None = None
    cluster_id: UUID | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.seconds is not None and self.kind is not FaultKind.SLOW:
            raise ValueError(f"seconds belong to slow faults, not to {self.kind}")
        if self.kind is FaultKind.QUOTA and not self.call.startswith("ensure_"):
            raise ValueError(f"a quota refuses what is to be made, never {self.call}")
        return self


class Forecast(BaseModel):
    """The faults still to come, and how many calls are hanging now."""

    faults: list[FaultOrder]
    hanging: int


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call that the cloud received, and what came of it.

    ``effect`` is ``created``, ``updated``, ``deleted``, ``unchanged``, ``refused: <code>``,
    ``error``, ``hanging`` or ``slow`` (so far), ``lost`` (the cloud died before it acted), or
    ``None`` for an observation.  Observations that met no fault are counted, not listed:
    ``times`` of them, from ``at`` to ``last_at``.
    """

    at: datetime
    call: Call
    cluster_id: UUID
    effect: str | None
    resource_id: UUID
    fence: int | None
    fault: FaultKind | None
    times: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class ResourceRecord:
    """Something that lives in the cloud, or is still being deleted.

    Nodes and pools have labels and taints.
    """

    kind: Kind
    id: UUID
    cluster_id: UUID
    state: State
    created_at: datetime
    ready_at: datetime
    pool_id: UUID | None = None
    name: str | None = None
    version: str | None = None
    instance_type: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()


@dataclass(frozen=True, slots=True)
class Ledger:
    """Every call in the order in which it came, and what there is now."""

    calls: list[CallRecord] = field(default_factory=list)
    resources: list[ResourceRecord] = field(default_factory=list)
