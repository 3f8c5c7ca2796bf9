"""What each operation type brings to the trials that all types pass: where it begins, which call
does each of its steps, and what must be so when it completed and when it was undone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from cks.db.clusters.pools import spec_of
from cks.domain.clusters.clusters import ClusterStatus
from cks.domain.clusters.pools import PoolSpec, Taint
from cks.domain.operations.state import OperationState
from cks.providers.simulated.wire import Call, Kind, ResourceRecord
from tests.support.requests import pool
from tests.support.site import Rows, Site

WHOLE = ["addons", "control_plane", "network", "node", "node", "node_pool"]


class TypeScene(Protocol):
    """``calls``: action of the plan → the call that does it; ``None``: it only looks."""

    calls: ClassVar[Mapping[str, Call | None]]

    async def begin(self, ours: Site) -> OperationState:
        """Accept an operation of the type; nobody has started anything yet."""
        ...

    async def check_completed(self, ours: Site, rows: Rows) -> None: ...

    async def check_undone(self, ours: Site, rows: Rows) -> None: ...


class CreateCluster:
    calls: ClassVar[Mapping[str, Call | None]] = {
        "network": Call.ENSURE_NETWORK,
        "control_plane": Call.ENSURE_CONTROL_PLANE,
        "node_pool": Call.ENSURE_NODE_POOL,
        "add_ons": Call.ENSURE_ADDONS,
        "verify": None,
    }

    async def begin(self, ours: Site) -> OperationState:
        return await ours.order()

    async def check_completed(self, ours: Site, rows: Rows) -> None:
        assert rows.cluster.status is ClusterStatus.RUNNING
        assert [(p.status, p.ready_count) for p in rows.pools] == [(ClusterStatus.RUNNING, 2)]
        assert await ours.kinds_alive(rows.operation) == WHOLE

    async def check_undone(self, ours: Site, rows: Rows) -> None:
        assert rows.cluster.status is ClusterStatus.FAILED
        assert rows.cluster.endpoint is None
        assert not rows.nodes
        assert await ours.kinds_alive(rows.operation) == []


@dataclass(slots=True)
class UpdateNodePool:
    """A pool with a label and a taint of each kind: kept, changed, removed and added."""

    calls: ClassVar[Mapping[str, Call | None]] = {"update": Call.ENSURE_NODE_POOL}
    before: PoolSpec | None = None
    nodes: Any = None

    LABELS: ClassVar = {"kept": "1", "changed": "2", "added": "1"}
    TAINTS: ClassVar = (Taint("added", "", "NoSchedule"),)

    async def begin(self, ours: Site) -> OperationState:
        labels = {"kept": "1", "changed": "1", "removed": "1"}
        taints = (Taint("removed", "", "NoSchedule"),)
        made = await ours.running(pool("default", labels=labels, taints=taints), pool("other", 1))
        rows = await ours.rows(made)
        self.before = spec_of(next(p for p in rows.pools if p.name == "default"))
        self.nodes = await self._nodes(ours, made)
        asked = {"labels": self.LABELS, "taints": self.TAINTS, "min_nodes": 2, "max_nodes": 9}
        return await ours.update(made, "default", **asked)

    async def check_completed(self, ours: Site, rows: Rows) -> None:
        found = self._pool(rows)
        assert (found.labels, found.taints) == (self.LABELS, self.TAINTS)
        assert (found.min_nodes, found.max_nodes, found.node_count) == (2, 9, 2)
        for node in await self._agreeing(ours, rows):
            assert (node.labels, node.taints) == (self.LABELS, self.TAINTS)

    async def check_undone(self, ours: Site, rows: Rows) -> None:
        assert self._pool(rows) == self.before
        assert await self._agreeing(ours, rows) == self.nodes

    async def _agreeing(self, ours: Site, rows: Rows) -> list[ResourceRecord]:
        """Return the nodes, which are those of before, in a cluster that runs."""
        assert rows.cluster.status is ClusterStatus.RUNNING
        assert {p.status for p in rows.pools} == {ClusterStatus.RUNNING}
        nodes = await self._nodes(ours, rows.operation)
        assert [node.id for node in nodes] == [node.id for node in self.nodes]
        return nodes

    def _pool(self, rows: Rows) -> PoolSpec:
        return spec_of(next(p for p in rows.pools if p.name == "default"))

    async def _nodes(self, ours: Site, operation: OperationState) -> list[ResourceRecord]:
        resources = (await ours.desk.ledger(operation.cluster_id)).resources
        named = (one for one in resources if (one.name or "").startswith("default-"))
        return [one for one in named if one.kind is Kind.NODE]


SCENES: dict[str, type[TypeScene]] = {
    "cluster.create": CreateCluster,
    "node_pool.update": UpdateNodePool,
}
"""Operation type → its scene."""
