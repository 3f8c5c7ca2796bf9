"""A node pool: its fields, under one spelling from the request to the provider, and its rules.

Rules of size come from Kubernetes' own limits for large clusters (5,000 nodes, v1.37
documentation, "Considerations for large clusters").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from cks.domain.refusals import Fault

MAX_NODES_PER_CLUSTER = 5_000


@dataclass(frozen=True, slots=True)
class Taint:
    """Keeps pods away that do not tolerate it (Kubernetes ``core/v1`` Taint)."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """What a node pool should be.  ``disk_size`` in GiB, of each node."""

    id: UUID
    name: str
    node_count: int
    min_nodes: int
    max_nodes: int
    instance_type: str
    disk_size: int
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]


def check_pools(pools: Sequence[tuple[str | None, int]]) -> list[Fault]:
    """Name what is wrong with pools of ``(name, node_count)`` side by side.

    A pool without a name (``None``) is another rule's matter.
    """
    faults: list[Fault] = []
    names: set[str | None] = set()
    for place, (name, _) in enumerate(pools):
        if name in names and name is not None:
            faults.append(
                Fault(f"/{place}/name", "duplicate_name", f"another pool is also named {name}")
            )
        names.add(name)
    total = sum(count for _, count in pools)
    if total > MAX_NODES_PER_CLUSTER:
        detail = f"{total} nodes in all; a cluster can have at most {MAX_NODES_PER_CLUSTER}"
        faults.append(Fault("", "too_many_nodes", detail))
    return faults


def check_pool_size(at: str, count: int, least: int, most: int) -> list[Fault]:
    """Name what is wrong with a pool's bounds; ``at`` is the pool's pointer."""
    if least > most:
        return [Fault(f"{at}/max_nodes", "out_of_range", f"{most} is less than min_nodes, {least}")]
    if not least <= count <= most:
        detail = f"{count} is not between min_nodes ({least}) and max_nodes ({most})"
        return [Fault(f"{at}/node_count", "out_of_range", detail)]
    return []
