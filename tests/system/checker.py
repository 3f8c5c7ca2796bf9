"""What must hold of every operation in the end, proved from outside.

These are the invariants of ``tests/sim/invariants.py``, as far as they can be seen without
being a part of the service: whatever happened to the programs, the outcome, the events, the
rows, the cloud's ledger and Temporal agree.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from cks.providers.base import State
from cks.providers.simulated.cloud import CREATED, DELETED, UPDATED
from cks.providers.simulated.wire import (
    Call,
    CallRecord,
    Code,
    FaultKind,
    Kind,
    Ledger,
    ResourceRecord,
)
from tests.sim.invariants import MOVES, PHASES
from tests.system.findings import Body, Finder, Findings

Verdicts = Iterator[tuple[str, bool]]
TERMINAL = ("completed", "failed", "cancelled")
EFFECTS = (CREATED, UPDATED, DELETED, "unchanged")
OUT_OF_ORDER = (FaultKind.HANG, FaultKind.SLOW)
"""A call with such a fault takes effect later than those that came after it."""


async def check(exports: dict[str, str], operation_ids: Collection[str]) -> None:
    """Fail unless all holds for operations that have ended, on the stack of these exports."""
    finder = Finder(exports)
    told = of_cloud(await finder.ledger(), await finder.clusters())
    broken = [f"the cloud: {what}" for what in violations(told)]
    for operation_id in operation_ids:
        found = violations(of_operation(await finder.find(operation_id)))
        broken += [f"{operation_id}: {what}" for what in found]
    assert not broken, "; ".join(broken)


def violations(verdicts: Verdicts) -> list[str]:
    return [what for what, holds in verdicts if not holds]


def of_operation(found: Findings) -> Verdicts:
    """Say what holds of an operation, from all that was found of it."""
    yield from _of_outcome(found)
    yield from _of_events(found)
    yield from _of_cluster(found)


def of_cloud(ledger: Ledger, ordered: Collection[UUID]) -> Verdicts:
    """Say what holds of the cloud as a whole; ``ordered`` are all clusters there ever were."""
    alive = {thing.cluster_id for thing in ledger.resources}
    yield "something lives that nobody ordered", alive <= set(ordered)
    made = Counter((c.call, c.resource_id) for c in ledger.calls if c.effect == CREATED)
    yield f"doubled: {made.most_common(1)}", max(made.values(), default=0) <= 1
    for calls in _doors(ledger.calls).values():
        yield "a lower fence was accepted", _rises(call.fence or 0 for call in calls)
        back = [call.call.startswith("delete_") for call in calls]
        yield "a step forward came through after its undo", _rises(back)


def _doors(calls: Iterable[CallRecord]) -> dict[tuple[str, UUID], list[CallRecord]]:
    """Return what each resource's door let through, in order."""
    doors: dict[tuple[str, UUID], list[CallRecord]] = {}
    for call in calls:
        if _came_through(call):
            kind = call.call.partition("_")[2].replace(Kind.ADDONS, Kind.CONTROL_PLANE)
            doors.setdefault((kind, call.resource_id), []).append(call)
    return doors


def _came_through(call: CallRecord) -> bool:
    """Say whether the fence was compared and found high enough, in the order of arrival."""
    refused = (call.effect or "").startswith("refused: ")
    struck = call.fault in OUT_OF_ORDER or call.fault is FaultKind.QUOTA
    met = call.effect in EFFECTS or (refused and call.effect != f"refused: {Code.SUPERSEDED}")
    return call.call is not Call.OBSERVE and met and not struck


def _of_outcome(found: Findings) -> Verdicts:
    """Say what holds of how it ended, and of what it held."""
    operation, rows = found.operation, found.rows
    status, completed = operation["status"], operation["status"] == "completed"
    steps = {step["status"] for step in operation["steps"]}
    ended = {"completed"} if completed else {"pending", "failed", "undone"}
    yield f"it ended as {status}", status in TERMINAL and operation["phase"] == "done"
    yield "100 does not mean completed", (operation["progress"] == 100) is completed
    yield "a failure has no reason", (operation["error"] is not None) is (status == "failed")
    yield f"steps are left {steps - ended}", steps <= ended
    yield "a step is not whole", not completed or set(rows.fractions) == {1.0}
    yield "a claim is left", rows.claims == 0
    outcome = [f"{operation['type']}.{status}"]
    yield f"the log has the outcomes {rows.actions}", list(rows.actions) == outcome
    yield "a run is open", found.open_runs == 0
    yield "an orphan is left", not operation["orphans"]
    yield "it was settled after its deadline", _is_in_time(operation)


def _is_in_time(operation: Body) -> bool:
    printed = operation["deadline_at"]
    return printed is None or _instant(operation["completed_at"]) <= _instant(printed)


def _of_events(found: Findings) -> Verdicts:
    """Say what holds of what the operation's followers were told."""
    seqs, told = [seq for seq, _ in found.events], [event for _, event in found.events]
    yield "an event is missing", seqs == list(range(1, len(told) + 1))
    yield "told progress fell", _rises(event["progress"] for event in told)
    hundred = all((e["progress"] == 100) is (e["status"] == "completed") for e in told)
    yield "told 100 is not completed", hundred
    yield "it was told to turn round", _rises(PHASES.index(event["phase"]) for event in told)
    ends = [event["done"] for event in told]
    left = [len(event["orphans"]) for event in told if event["done"]]
    told_once = _rises(ends) and left == list(range(len(left) - 1, -1, -1))
    yield "its end was not told once", told_once
    yield "its end was told otherwise", told[-1]["status"] == found.operation["status"]
    yield "progress is not what the steps say", all(map(_is_derived, told))
    deadlines = [_instant(event["deadline_at"]) for event in told if event["deadline_at"]]
    yield "its deadline moved away", _rises(reversed(deadlines))
    back = [move for before, after in pairwise(told) for move in _backward(before, after)]
    yield f"a step went back: {back}", not back


def _is_derived(event: Body) -> bool:
    """Say whether progress lies between the steps that are done and those that were begun."""
    if event["phase"] != "forward":
        return True
    weight = sum(step["weight"] for step in event["steps"])
    done = sum(s["weight"] for s in event["steps"] if s["status"] == "completed")
    begun = sum(s["weight"] for s in event["steps"] if s["status"] != "pending")
    return bool(99 * done // weight <= event["progress"] <= 99 * begun / weight)


def _backward(before: Body, after: Body) -> list[str]:
    """Return the steps that neither stayed as they were nor moved on."""
    return [
        f"{a['name']} from {a['status']} to {b['status']}"
        for a, b in zip(before["steps"], after["steps"], strict=True)
        if a["status"] != b["status"] and b["status"] not in MOVES[a["status"]]
    ]


def _of_cluster(found: Findings) -> Verdicts:
    if found.operation["status"] == "completed":
        yield from _of_built(found)
    else:
        yield from _of_unmade(found)
    end = _instant(found.operation["completed_at"])
    late = [call.call for call in _changes(found) if call.at > end]
    yield f"the cloud was changed after its end: {late}", not late


def _of_built(found: Findings) -> Verdicts:
    """Say whether exactly what was ordered is there, in the cloud and in the rows."""
    rows, alive = found.rows, _alive(found)
    kinds = sorted(thing.kind for thing in alive)
    yield f"the cloud is not what was ordered: {kinds}", kinds == sorted(_ordered(found.operation))
    yield "something is not ready", all(thing.state is State.READY for thing in alive)
    yield "something of it was deleted", DELETED not in [call.effect for call in _changes(found)]
    nodes = {thing.id for thing in alive if thing.kind is Kind.NODE}
    yield "the rows name other nodes", rows.nodes == nodes
    pools = {thing.id for thing in alive if thing.kind is Kind.NODE_POOL}
    yield "the rows name other pools", {pool.id for pool in rows.pools} == pools
    counts = [(pool.node_count, pool.ready_count) for pool in rows.pools]
    yield f"the pools count other nodes: {counts}", all(one == two for one, two in counts)
    yield "a pool does not run", all(pool.status == "running" for pool in rows.pools)
    yield "the cluster does not run", rows.status == "running"
    yield "the cluster has no endpoint", bool(rows.endpoint)
    yield "the tenant sees another cluster", _is_seen(found)


def _of_unmade(found: Findings) -> Verdicts:
    """Say whether nothing is left of it but a failed cluster, or none."""
    rows, alive = found.rows, _alive(found)
    yield f"left alive: {sorted(thing.kind for thing in alive)}", not alive
    yield "the cluster is not failed", rows.status in ("failed", None)
    yield "an endpoint is left", rows.endpoint is None
    yield "nodes are left in the rows", not rows.nodes
    yield "pools count nodes", all(pool.ready_count == 0 for pool in rows.pools)
    yield "a pool is not failed", all(pool.status == "failed" for pool in rows.pools)
    yield "the tenant sees another cluster", _is_seen(found)


def _is_seen(found: Findings) -> bool:
    """Say whether the API shows the cluster as its row is; a deleted one is not shown."""
    if found.cluster is None:
        return found.rows.status is None
    seen = found.cluster["status"], found.cluster["endpoint"], found.cluster["current_operation_id"]
    return seen == (found.rows.status, found.rows.endpoint, None)


def _ordered(operation: Body) -> list[str]:
    """Return the kind of each thing that the tenant asked for."""
    pools = operation["request"]["node_pools"]
    nodes = sum(pool["node_count"] for pool in pools)
    each = [Kind.NODE] * nodes + [Kind.NODE_POOL] * len(pools)
    return [Kind.NETWORK, Kind.CONTROL_PLANE, Kind.ADDONS, *each]


def _alive(found: Findings) -> Sequence[ResourceRecord]:
    return [r for r in found.ledger.resources if r.cluster_id == found.cluster_id]


def _changes(found: Findings) -> Sequence[CallRecord]:
    """Return the calls about the cluster that changed something."""
    ours = [call for call in found.ledger.calls if call.cluster_id == found.cluster_id]
    return [call for call in ours if call.effect in (CREATED, UPDATED, DELETED)]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _rises(values: Iterable[Any]) -> bool:
    told = list(values)
    return told == sorted(told)
