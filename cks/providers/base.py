"""What the service asks of a place that can run machines.

The protocol is level-based, as Cluster API, GKE and EKS are: a call states what there should
be, ``observe`` says what there is, and a caller repeats both until they agree.  So every call
may be repeated, and none depends on the reply of another.  ``docs/providers.md`` maps each
call to the Cluster API objects that a driver for real machines uses.

Every call that changes something carries a ``fence``, a number that rises whenever the right
to act passes on: to another run, to the way back, to the next operation.  The provider
remembers the highest it met per resource (network, control plane with its add-ons, node
pool), also of resources that are gone, and refuses a lower one with ``Superseded``, even
where the call would have changed nothing: deleting what is not there must still shut the
door behind itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from cks.domain.clusters.pools import PoolSpec, Taint


class State(StrEnum):
    ABSENT = "absent"
    PENDING = "pending"
    READY = "ready"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class NodeObserved:
    """A machine of a pool: the provider's id and name, and whether it takes work."""

    id: UUID
    name: str
    state: State
    version: str


@dataclass(frozen=True, slots=True)
class PoolObserved:
    """A pool: how many machines are wanted, and each that there is.

    ``ABSENT`` once no machine is left; ``READY`` when as many as wanted are, at the version, and
    all of them have the pool's ``labels`` and ``taints``.
    """

    state: State
    version: str
    desired: int
    nodes: tuple[NodeObserved, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()

    @property
    def ready(self) -> int:
        return sum(node.state is State.READY for node in self.nodes)


@dataclass(frozen=True, slots=True)
class ControlPlaneObserved:
    """The control plane; ``endpoint`` (an https URL) is known once it is ready."""

    state: State = State.ABSENT
    version: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """What there is of a cluster now.  A pool that is not listed is absent."""

    network: State = State.ABSENT
    control_plane: ControlPlaneObserved = field(default_factory=ControlPlaneObserved)
    pools: Mapping[UUID, PoolObserved] = field(default_factory=dict)
    addons: State = State.ABSENT


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A cluster's network; both ranges are IPv4 CIDR blocks.

    ``version`` is the cluster's: Cluster API demands it with the first thing that is made.
    """

    cluster_id: UUID
    version: str
    pod_cidr: str
    service_cidr: str


@dataclass(frozen=True, slots=True)
class ControlPlaneSpec:
    """A cluster's control plane; ``version`` is a full patch such as ``1.35.8``."""

    cluster_id: UUID
    version: str


@dataclass(frozen=True, slots=True)
class NodePoolSpec:
    """A pool of like machines, as it should be.

    Labels and taints are changed on its living machines, as Cluster API does; another version or
    instance type replaces them.
    """

    cluster_id: UUID
    version: str
    pool: PoolSpec


@dataclass(frozen=True, slots=True)
class AddonsSpec:
    """What runs on a cluster before a tenant's first pod: network plugin, DNS, storage."""

    cluster_id: UUID
    version: str


class Unavailable(Exception):  # noqa: N818
    """The provider did not answer as it should; whether it acted is unknown.  Ask again."""


class Provider(Protocol):
    """A place that can run machines.

    Any call may raise ``Unavailable``.  A call that changes something may raise
    ``Superseded`` (a higher fence was there), and an ensuring one ``NoCapacity`` or
    ``ProviderQuota`` (nothing was made; a later try may fare better).
    """

    async def ensure_network(self, spec: NetworkSpec, fence: int) -> None: ...
    async def ensure_control_plane(self, spec: ControlPlaneSpec, fence: int) -> None: ...
    async def ensure_node_pool(self, spec: NodePoolSpec, fence: int) -> None: ...
    async def ensure_addons(self, spec: AddonsSpec, fence: int) -> None: ...
    async def delete_network(self, cluster_id: UUID, fence: int) -> None: ...
    async def delete_control_plane(self, cluster_id: UUID, fence: int) -> None: ...
    async def delete_node_pool(self, cluster_id: UUID, pool_id: UUID, fence: int) -> None: ...
    async def observe(self, cluster_id: UUID) -> Observed: ...
