"""``node_pool.update``: labels, taints and bounds of a pool, changed on its living nodes.

No node is replaced for any of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cks.domain.access.permissions import Scope
from cks.domain.clusters.pools import PoolSpec, Taint, check_pool_size
from cks.domain.operations.plans import Plan, PlannedStep, Undo
from cks.domain.operations.types import OperationType, inside_cluster
from cks.domain.refusals import Fault

MOST_LABELS = 50


@dataclass(frozen=True, slots=True)
class UpdateNodePool:
    """A pool as it should be, with every choice made; ``pool`` is how it is: an undo's aim.

    ``version`` is that of the pool's nodes, which stays.  ``unconfirmed``: an update before could
    not be taken back in time, so the nodes may not be as ``pool`` says.
    """

    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    min_nodes: int
    max_nodes: int
    pool: PoolSpec
    version: str
    unconfirmed: bool = False

    @property
    def wanted(self) -> PoolSpec:
        """Return the whole pool as it should be."""
        return replace(
            self.pool,
            labels=self.labels,
            taints=self.taints,
            min_nodes=self.min_nodes,
            max_nodes=self.max_nodes,
        )


def check(asked: UpdateNodePool) -> list[Fault]:
    """Name what is wrong with a pool as it would be after the update."""
    faults = check_pool_size("", asked.pool.node_count, asked.min_nodes, asked.max_nodes)
    if len(asked.labels) > MOST_LABELS:
        detail = f"would leave {len(asked.labels)} labels; a pool can have at most {MOST_LABELS}"
        faults.append(Fault("/labels", "bad_length", detail))
    return faults


def plan(asked: UpdateNodePool) -> Plan:
    """Return the one step; none where the pool is known to be as it should be already."""
    if asked.wanted == asked.pool and not asked.unconfirmed:
        return Plan()
    step = PlannedStep(
        "update",
        f"Update node pool {asked.pool.name}",
        10 + asked.pool.node_count // 10,
        15 * 60,
        asked.pool.id,
        asked.pool.name,
        undo=Undo.RESTORE,
    )
    return Plan(((step,),))


UPDATE = OperationType(
    name="node_pool.update",
    resource_type="node_pool",
    request=UpdateNodePool,
    plan=plan,
    permission="node_pools.update",
    scope=Scope.CLUSTER,
    claims=inside_cluster,
    workflow="UpdateNodePool",
    summary="Update node pool {name}",
)
