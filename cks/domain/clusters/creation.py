"""``cluster.create``: what is asked for, and the plan that makes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cks.domain.access.permissions import Scope
from cks.domain.clusters.pools import PoolSpec
from cks.domain.operations.plans import Plan, PlannedStep, ResourceKind, Undo
from cks.domain.operations.types import OperationType


@dataclass(frozen=True, slots=True)
class Networking:
    """A cluster's two address ranges: IPv4 CIDR blocks."""

    pod_cidr: str
    service_cidr: str


@dataclass(frozen=True, slots=True)
class CreateCluster:
    """A cluster as asked for, with every choice made: the version is a patch, pools have ids."""

    name: str
    version: str
    networking: Networking
    tags: Mapping[str, str]
    node_pools: tuple[PoolSpec, ...]
    on_failure: Literal["rollback", "hold"] = "rollback"


def plan(asked: CreateCluster) -> Plan:
    """Return the plan: network, control plane, the pools side by side, add-ons, verification."""
    network = PlannedStep(
        "network",
        "Create the network",
        30,
        15 * 60,
        makes=ResourceKind.NETWORK,
        undo=Undo.REMOVE,
    )
    control_plane = PlannedStep(
        "control_plane",
        "Create the control plane",
        150,
        40 * 60,
        makes=ResourceKind.CONTROL_PLANE,
        undo=Undo.REMOVE,
    )
    # The add-ons live in the control plane and go with it.
    add_ons = PlannedStep("add_ons", "Install the add-ons", 30, 15 * 60)
    verify = PlannedStep("verify", "Verify the cluster", 5, 10 * 60)
    pools = tuple(_create_pool(pool) for pool in asked.node_pools)
    return Plan(((network,), (control_plane,), pools, (add_ons,), (verify,)))


def _create_pool(pool: PoolSpec) -> PlannedStep:
    """Return the step of a pool: a provider starts some ten nodes at once, so many take longer."""
    return PlannedStep(
        "node_pool",
        f"Create node pool {pool.name} ({pool.node_count} nodes)",
        60 + 6 * pool.node_count,
        30 * 60 + 30 * pool.node_count,
        pool.id,
        pool.name,
        makes=ResourceKind.NODE_POOL,
        undo=Undo.REMOVE,
    )


CREATE = OperationType(
    name="cluster.create",
    resource_type="cluster",
    request=CreateCluster,
    plan=plan,
    permission="clusters.create",
    scope=Scope.TENANT,
    workflow="ProvisionCluster",
    summary="Create cluster {name}",
)
