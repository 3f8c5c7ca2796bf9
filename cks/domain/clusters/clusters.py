"""A cluster: its life, what of it lives at a provider, and the rule of its address ranges.

Address ranges are IPv4 CIDR blocks without host bits (RFC 4632), apart from each other.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Network
from uuid import UUID

from cks.domain.operations.plans import ResourceKind
from cks.domain.refusals import Fault

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
class ProviderResource:
    """Something that a step made at the provider.

    A cluster has one network and one control plane, which have its own id.
    """

    kind: ResourceKind
    cluster_id: UUID
    id: UUID


@dataclass(frozen=True, slots=True)
class SeenNode:
    """A node as the provider showed it; ``status`` is pending, ready or deleting."""

    id: UUID
    name: str
    status: str
    version: str


def check_networking(pod_cidr: str, service_cidr: str) -> list[Fault]:
    """Name what is wrong with a cluster's two address ranges; pointers begin at the pair."""
    faults: list[Fault] = []
    parsed = [
        _parse_cidr("/pod_cidr", pod_cidr, faults),
        _parse_cidr("/service_cidr", service_cidr, faults),
    ]
    pods, services = parsed
    if pods and services and pods.overlaps(services):
        detail = f"{services} overlaps the pod CIDR {pods}"
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
        return None, f"must be an IPv4 CIDR block: {error}"
    if str(network) != text:
        return None, f"must be written as {network}"
    if not WIDEST <= network.prefixlen <= NARROWEST:
        needed = f"must have a prefix between /{WIDEST} and /{NARROWEST}"
        return None, f"{needed}, not /{network.prefixlen}"
    return network, ""
