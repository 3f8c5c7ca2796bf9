"""A cluster: its life, what can be asked for, and the order that a run carries out.

Rules of size come from Kubernetes' own limits for large clusters (5,000 nodes, v1.37
documentation, "Considerations for large clusters").  Address ranges are IPv4 CIDR blocks
without host bits (RFC 4632), apart from each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Network
from uuid import UUID

from cks.domain.operations.lifecycle import OperationRef
from cks.domain.operations.plans import Made
from cks.domain.refusals import Fault

MAX_NODES_PER_CLUSTER = 5_000
DEFAULT_POD_CIDR = "10.244.0.0/16"
DEFAULT_SERVICE_CIDR = "10.96.0.0/16"
WIDEST, NARROWEST = 8, 24


class ClusterStatus(StrEnum):
    PENDING = "pending"
    PROVISIONING = "provisioning"
    RUNNING = "running"
    UPGRADING = "upgrading"
    DELETING = "deleting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PoolWish:
    """A node pool as asked for.  ``disk_size`` in GiB; taints as ``(key, value, effect)``."""

    name: str
    node_count: int
    min_nodes: int
    max_nodes: int
    instance_type: str
    disk_size: int
    labels: Mapping[str, str]
    taints: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class ClusterWish:
    """A cluster as asked for, with the version resolved to a patch and the ranges chosen."""

    name: str
    version: str
    pod_cidr: str
    service_cidr: str
    tags: Mapping[str, str]
    pools: tuple[PoolWish, ...]


@dataclass(frozen=True, slots=True)
class PoolOrder:
    """A node pool as ordered: what was asked for, under the id that it got."""

    pool_id: UUID
    name: str
    node_count: int
    instance_type: str
    disk_size: int
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that a step made; ``kind`` as in ``plans.made_by``.

    A cluster has one network and one control plane, which have its own id.
    """

    kind: Made
    cluster_id: UUID
    id: UUID


@dataclass(frozen=True, slots=True)
class Orphan:
    """Something that an ended operation left, and the step of its plan that made it."""

    step: str
    thing: Thing


@dataclass(frozen=True, slots=True)
class SweepOrder:
    """What a sweep is to remove for an operation that has ended, the last made first."""

    operation: OperationRef
    cluster_id: UUID
    orphans: tuple[Orphan, ...]


@dataclass(frozen=True, slots=True)
class SeenNode:
    """A node as the provider showed it; ``status`` is pending, ready or deleting."""

    id: UUID
    name: str
    status: str
    version: str


@dataclass(frozen=True, slots=True)
class OrderedStep:
    """A step of the plan as accepted; ``limit_seconds`` is its deadline in all."""

    name: str
    title: str
    limit_seconds: int


@dataclass(frozen=True, slots=True)
class ClusterOrder:
    """What a run of ``cluster.create`` carries out: ids and values, no rows."""

    operation: OperationRef
    cluster_id: UUID
    version: str
    pod_cidr: str
    service_cidr: str
    pools: tuple[PoolOrder, ...]
    steps: tuple[OrderedStep, ...]


@dataclass(frozen=True, slots=True)
class ClusterPart:
    """What a step about the cluster as a whole is told; ``step`` is its name in the plan."""

    operation: OperationRef
    step: str
    limit_seconds: int
    cluster_id: UUID
    version: str


@dataclass(frozen=True, slots=True)
class NetworkPart(ClusterPart):
    """What the step of the network is told."""

    pod_cidr: str
    service_cidr: str


@dataclass(frozen=True, slots=True)
class PoolPart(ClusterPart):
    """What the step of one pool is told."""

    pool: PoolOrder


@dataclass(frozen=True, slots=True)
class WholePart(ClusterPart):
    """What the step that looks at the whole is told: each pool's id, and its nodes."""

    pools: tuple[tuple[UUID, int], ...]


def check_networking(pod_cidr: str, service_cidr: str) -> list[Fault]:
    """Name what is wrong with a cluster's two address ranges; pointers begin at the pair."""
    faults: list[Fault] = []
    parsed = [
        _parse_cidr("/pod_cidr", pod_cidr, faults),
        _parse_cidr("/service_cidr", service_cidr, faults),
    ]
    pods, services = parsed
    if pods and services and pods.overlaps(services):
        detail = f"{services} overlaps the pods' {pods}"
        faults.append(Fault("/service_cidr", "overlapping_cidr", detail))
    return faults


def _parse_cidr(pointer: str, text: str, faults: list[Fault]) -> IPv4Network | None:
    network, wrong = _network_of(text)
    if wrong:
        faults.append(Fault(pointer, "invalid_cidr", wrong))
    return network


@lru_cache(maxsize=1024)
def _network_of(text: str) -> tuple[IPv4Network | None, str]:
    """Return the network that a text means, or what is wrong with it."""
    try:
        network = IPv4Network(text)  # also takes netmasks, which no provider does
    except ValueError as error:
        return None, f"not an IPv4 CIDR block: {error}"
    if str(network) != text:
        return None, f"write it as {network}"
    if not WIDEST <= network.prefixlen <= NARROWEST:
        needed = f"a prefix from /{WIDEST} to /{NARROWEST} is needed"
        return None, f"{needed}, not /{network.prefixlen}"
    return network, ""


def check_pools(pools: Sequence[tuple[str | None, int]]) -> list[Fault]:
    """Name what is wrong with pools of ``(name, node_count)`` side by side.

    A pool without a name (``None``) is another rule's matter.
    """
    faults: list[Fault] = []
    names: set[str | None] = set()
    for place, (name, _) in enumerate(pools):
        if name in names and name is not None:
            faults.append(Fault(f"/{place}/name", "duplicate_name", f"two pools are named {name}"))
        names.add(name)
    total = sum(count for _, count in pools)
    if total > MAX_NODES_PER_CLUSTER:
        detail = f"{total} nodes; a cluster has at most {MAX_NODES_PER_CLUSTER}"
        faults.append(Fault("", "too_many_nodes", detail))
    return faults


def check_pool_size(at: str, count: int, least: int, most: int) -> list[Fault]:
    """Name what is wrong with a pool's bounds; ``at`` is the pool's pointer."""
    if least > most:
        return [Fault(f"{at}/max_nodes", "out_of_range", f"{most} is below min_nodes {least}")]
    if not least <= count <= most:
        detail = f"{count} is not between min_nodes {least} and max_nodes {most}"
        return [Fault(f"{at}/node_count", "out_of_range", detail)]
    return []
