"""How stored resources look from outside, at an instant."""

import json
from collections.abc import Iterable, Mapping, Sequence

from cks.domain.clusters.pools import Taint
from cks.providers.base import (
    ControlPlaneObserved,
    NodeObserved,
    Observed,
    PoolObserved,
    State,
)
from cks.providers.simulated.storage import Resource
from cks.providers.simulated.wire import Kind


def observe(things: Sequence[Resource], now: float) -> Observed:
    """Return what there is of the cluster that holds all these things."""
    by_kind = {thing.kind: thing for thing in things}
    return Observed(
        network=state_of(by_kind.get(Kind.NETWORK), now),
        control_plane=_observe_control_plane(by_kind.get(Kind.CONTROL_PLANE), now),
        pools={
            pool.id: observe_pool(pool, things, now)
            for pool in things
            if pool.kind is Kind.NODE_POOL
        },
        addons=state_of(by_kind.get(Kind.ADDONS), now),
    )


def observe_pool(pool: Resource, things: Iterable[Resource], now: float) -> PoolObserved:
    """Return what there is of a pool; it is ready once none of its nodes comes or goes."""
    nodes = tuple(
        NodeObserved(thing.id, thing.name or "", thing.state(now), thing.version or "")
        for thing in things
        if thing.pool_id == pool.id
    )
    state = pool.state(now)
    if state is State.READY and any(node.state is not State.READY for node in nodes):
        state = State.PENDING
    labels, taints = marks_of(pool)
    return PoolObserved(state, pool.version or "", pool.number, nodes, labels, taints)


def marks_of(thing: Resource) -> tuple[Mapping[str, str], tuple[Taint, ...]]:
    """Return the labels and taints of a pool or a node; a file of before has none that we read."""
    said = json.loads(thing.spec)
    marks = said.get("pool", said)
    if "pool_id" in marks:
        return {}, ()
    taints = tuple(Taint(**taint) for taint in marks.get("taints", ()))
    return marks.get("labels", {}), taints


def state_of(thing: Resource | None, now: float) -> State:
    return thing.state(now) if thing else State.ABSENT


def _observe_control_plane(thing: Resource | None, now: float) -> ControlPlaneObserved:
    if thing is None:
        return ControlPlaneObserved()
    state = thing.state(now)
    endpoint = f"https://{thing.id}.simulated.invalid:6443" if state is State.READY else None
    return ControlPlaneObserved(state, thing.version, endpoint)
