"""Requests as the API makes them of what a tenant sent, every choice made."""

from typing import Any
from uuid import uuid4

from cks.domain.clusters.creation import CreateCluster, Networking
from cks.domain.clusters.pools import PoolSpec

VERSION = "1.35.8"


def pool(name: str = "default", node_count: int = 2, **fields: Any) -> PoolSpec:
    """Return a pool; what is not said is as a small one has it."""
    usual: dict[str, Any] = {
        "min_nodes": 1,
        "max_nodes": max(5, node_count),
        "instance_type": "m5.large",
        "disk_size": 50,
        "labels": {},
        "taints": (),
    }
    return PoolSpec(id=uuid4(), name=name, node_count=node_count, **{**usual, **fields})


def new_cluster(*pools: PoolSpec, name: str | None = None) -> CreateCluster:
    """Return a cluster; one pool, if nothing is said."""
    return CreateCluster(
        name=name or f"c{uuid4().hex[:12]}",
        version=VERSION,
        networking=Networking("10.244.0.0/16", "10.96.0.0/16"),
        tags={},
        node_pools=pools or (pool(),),
    )
