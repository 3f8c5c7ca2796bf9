"""Declared plans: which steps an operation takes, in order, and what each may cost in time.

A plan is data.  Its rows are written when the operation is accepted, its weights give the
progress, its limits become the deadlines of the activities.  Weights are the seconds that a
step is expected to take at a provider's usual pace, so that progress is nearly linear in time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

NETWORK: Final = "network"
CONTROL_PLANE: Final = "control_plane"
NODE_POOL: Final = "node_pool"
ADD_ONS = "add_ons"
VERIFY = "verify"
Made = Literal["network", "control_plane", "node_pool"]
"""What a step can make that its undo, or a sweep, removes."""
ONE_EACH: dict[str, Made] = {NETWORK: NETWORK, CONTROL_PLANE: CONTROL_PLANE}
AT_ONCE = 5
"""Steps of one stage that run at the same time, at most."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step: its name (unique in the plan), title, expected seconds, and what it is about.

    ``limit_seconds`` is how long the step may take in all before it has failed.
    """

    name: str
    title: str
    expected_seconds: int
    limit_seconds: int
    resource_id: UUID | None = None


def pool_step(name: str) -> str:
    """Return the name of the step that makes the pool ``name``."""
    return f"{NODE_POOL}:{name}"


def expected_seconds(steps: Iterable[tuple[str, int]]) -> int:
    """Return how long steps of ``(name, seconds)`` take; pools are made side by side."""
    alone, pools = 0, [0]
    for name, seconds in steps:
        if name.startswith(pool_step("")):
            pools.append(seconds)
        else:
            alone += seconds
    return alone + max(pools)


def limit_seconds(steps: Iterable[PlannedStep]) -> int:
    """Return how long steps may take in all; pools are made a few at a time."""
    alone, pools = 0, [0]
    for step in steps:
        if step.name.startswith(pool_step("")):
            pools.append(step.limit_seconds)
        else:
            alone += step.limit_seconds
    rounds = -(-(len(pools) - 1) // AT_ONCE)
    return alone + rounds * max(pools)


def made_by(step: str) -> tuple[Made, str | None] | None:
    """Return kind and name of what a step makes and its undo removes; a pool has its name.

    ``None`` for a step whose effect goes with another's.
    """
    if made := ONE_EACH.get(step):
        return made, None
    kind, _, name = step.partition(":")
    return (NODE_POOL, name) if kind == NODE_POOL else None


def plan_create(pools: Sequence[tuple[UUID, str, int]]) -> tuple[PlannedStep, ...]:
    """Return the plan of ``cluster.create`` for pools of ``(id, name, node count)``.

    A provider starts some ten nodes of a pool at once, so a large pool waits longer.
    """
    return (
        PlannedStep(NETWORK, "Create the network", 30, 15 * 60),
        PlannedStep(CONTROL_PLANE, "Create the control plane", 150, 40 * 60),
        *(
            PlannedStep(
                pool_step(name),
                f"Create node pool {name} ({count} nodes)",
                60 + 6 * count,
                30 * 60 + 30 * count,
                pool_id,
            )
            for pool_id, name, count in pools
        ),
        PlannedStep(ADD_ONS, "Install the add-ons", 30, 15 * 60),
        PlannedStep(VERIFY, "Verify the cluster", 5, 10 * 60),
    )
