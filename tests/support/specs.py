"""What the tests order, and how they wait for it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from cks.domain.clusters.pools import PoolSpec, Taint
from cks.providers.base import (
    AddonsSpec,
    ControlPlaneSpec,
    NetworkSpec,
    NodePoolSpec,
    Observed,
    State,
)
from cks.providers.simulated.client import SimulatedCloud

VERSION = "1.35.8"


def network(cluster_id: UUID) -> NetworkSpec:
    return NetworkSpec(cluster_id, "1.35.8", "10.244.0.0/16", "10.96.0.0/16")


def control_plane(cluster_id: UUID, version: str = VERSION) -> ControlPlaneSpec:
    return ControlPlaneSpec(cluster_id, version)


def addons(cluster_id: UUID) -> AddonsSpec:
    return AddonsSpec(cluster_id, VERSION)


def pool(
    cluster_id: UUID,
    pool_id: UUID,
    node_count: int = 2,
    *,
    version: str = VERSION,
    instance_type: str = "m5.large",
    **marks: Any,
) -> NodePoolSpec:
    """Return a pool with a label and a taint."""
    usual: dict[str, Any] = {"labels": {"tier": "web"}, "taints": (Taint("gpu", "", "NoSchedule"),)}
    spec = PoolSpec(
        id=pool_id,
        name="default",
        node_count=node_count,
        min_nodes=0,
        max_nodes=100,
        instance_type=instance_type,
        disk_size=50,
        **{**usual, **marks},
    )
    return NodePoolSpec(cluster_id, version, spec)


async def until(
    cloud: SimulatedCloud, cluster_id: UUID, holds: Callable[[Observed], bool]
) -> Observed:
    """Observe until it holds; at most ten seconds."""
    deadline = time.monotonic() + 10
    while not holds(observed := await cloud.observe(cluster_id)):
        assert time.monotonic() < deadline, observed
        await asyncio.sleep(0.01)
    return observed


async def raise_control_plane(cloud: SimulatedCloud, cluster_id: UUID, fence: int = 1) -> None:
    await cloud.ensure_network(network(cluster_id), fence)
    await until(cloud, cluster_id, lambda seen: seen.network is State.READY)
    await cloud.ensure_control_plane(control_plane(cluster_id), fence)
    await until(cloud, cluster_id, lambda seen: seen.control_plane.state is State.READY)


async def raise_pool(cloud: SimulatedCloud, spec: NodePoolSpec, fence: int = 1) -> Observed:
    await cloud.ensure_node_pool(spec, fence)
    return await pool_ready(cloud, spec)


async def pool_ready(cloud: SimulatedCloud, spec: NodePoolSpec) -> Observed:
    return await until(
        cloud, spec.cluster_id, lambda seen: seen.pools[spec.pool.id].state is State.READY
    )
