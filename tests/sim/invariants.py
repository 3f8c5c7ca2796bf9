"""What must hold after every history."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from cks.domain.clusters.clusters import ClusterStatus
from cks.domain.clusters.pools import Taint
from cks.domain.operations import snapshots
from cks.domain.operations.lifecycle import LIVE, OperationSnapshot, OperationStatus
from cks.domain.operations.steps import may_be_changed, orphans_among
from cks.providers.base import State
from cks.providers.simulated.cloud import CREATED, DELETED
from cks.providers.simulated.observation import marks_of
from cks.providers.simulated.storage import Resource
from cks.providers.simulated.wire import Kind
from tests.sim.evidence import Evidence, gather
from tests.sim.far_side import Entry
from tests.sim.gates import Broken
from tests.sim.tale import MAKING, Tale

if TYPE_CHECKING:
    from tests.sim.history import History

Verdicts = Iterator[tuple[str, bool]]
LETHAL = {"fails_for_good", "deadline", "terminate", "clock_jump", "time_up", "paused_for_good"}
LATE = {"clock_jump", "time_up", "paused_for_good"}
MOVES = {
    "pending": ("running", "failed"),
    "running": ("completed", "failed", "undone"),
    "completed": ("failed", "undone"),
    "failed": ("running",),
    "undone": (),
}
PHASES = ("waiting", "forward", "compensating", "done")


async def check(history: "History") -> None:
    """Raise ``Broken`` unless the rows, the cloud and the past agree."""
    history.far_side.now += 10  # what is on its way arrives
    broken = [f"the cloud: {what}" for what, holds in _of_cloud(history) if not holds]
    for tale in history.tales:
        found = await gather(history, tale)
        told = [*_of_row(tale, found), *_of_events(found), *_of_cause(tale, found)]
        told += OF_TYPE[tale.kind.name](history, tale, found)
        broken += [f"{tale.letter}: {what}" for what, holds in told if not holds]
    if broken:
        raise Broken("; ".join(broken))


def _of_cloud(history: "History") -> Verdicts:
    """Say what holds of the cloud as a whole."""
    deeds, known = history.far_side.deeds, {tale.cluster_id for tale in history.tales}
    yield (
        "something lives that nobody ordered",
        all(t.cluster_id in known for t in history.far_side.alive()),
    )
    made = [(entry.kind, entry.id) for entry in deeds if entry.effect == CREATED]
    yield "an effect was doubled", len(made) == len(set(made))
    doors: dict[object, list[Entry]] = {}
    for entry in deeds:
        if entry.accepted:
            doors.setdefault((entry.guarded, entry.id), []).append(entry)
    for at in doors.values():
        owned = (entry.run for entry in at if "sweep" not in entry.run)
        runs = [run for run, _ in groupby(owned)]
        yield "a lower fence was accepted", _rises(entry.fence for entry in at)
        back = [entry.activity not in MAKING for entry in at]
        yield "a step forward came through after its undo", _rises(back)
        yield "the cloud obeyed a run that had lost it", len(runs) == len(set(runs))


def _of_row(tale: Tale, found: Evidence) -> Verdicts:
    row, versions = found.operation, found.versions
    completed = row.status is OperationStatus.COMPLETED
    owners = [run for run, _ in groupby(v.run_id for v in versions if v.run_id)]
    statuses = {step.status for step in found.operation.steps}
    ended = {"completed"} if completed else {"pending", "failed", "undone"}
    outcomes = [action for action in found.actions if action.startswith(f"{row.type}.")]
    yield "the operation has not ended", row.status not in LIVE
    yield (
        "it ended twice",
        len([s for s, _ in groupby(v.status for v in versions) if s not in LIVE]) == 1,
    )
    yield "a claim is left", not found.claims
    yield "its outcome is not logged once", outcomes == [f"{row.type}.{row.status}"]
    yield "a run acted that had lost it", len(owners) == len(set(owners))
    yield "progress fell", _rises(v.progress for v in versions)
    yield "the fence fell", _rises(v.fence for v in versions if v.fence)
    yield "100 does not mean completed", (row.progress == 100) is completed
    yield f"steps are left {statuses - ended}", statuses <= ended
    yield (
        "a step that is done is not whole",
        all(s.fraction == 1 for s in found.operation.steps) or not completed,
    )
    yield "a run is open at the end of it", not tale.open_runs
    yield "an orphan is left", not orphans_among(found.operation.steps)


def _of_events(found: Evidence) -> Verdicts:
    """Say what holds of what the operation's followers were told."""
    moments, row = found.moments, found.operation
    yield "an event is missing", list(found.seqs) == list(range(1, len(moments) + 1))
    yield "told progress fell", _rises(m["progress"] for m in moments)
    yield (
        "told 100 is not completed",
        all((m["progress"] == 100) is (m["status"] == "completed") for m in moments),
    )
    yield "it was told to turn round", _rises(PHASES.index(m["phase"]) for m in moments)
    yield (
        "its end was not told once",
        _ends_once(moments),
    )
    yield "its end was told otherwise", moments[-1]["status"] == row.status
    now = snapshots.snapshot_of(row)
    now["deadline_at"] = moments[-1]["deadline_at"]  # time that passes here is told to nobody
    yield "what was told last is not so", moments[-1] == now
    yield "progress is not what the steps say", all(map(_is_derived, moments))
    yield "a failure has no reason", (moments[-1]["error"] is not None) is (row.status == "failed")
    yield (
        "its end moved away",
        _rises(-_seconds(m["deadline_at"]) for m in moments),
    )
    back = [move for a, b in pairwise(moments) for move in _backward(a, b)]
    yield f"a step went back: {back}", not back


def _ends_once(moments: Sequence[OperationSnapshot]) -> bool:
    """Say whether the end was told once, and after it the end of each orphan."""
    ends = [moment for moment in moments if moment["done"]]
    left = [len(moment["orphans"]) for moment in ends]
    return list(moments[-len(ends) :]) == ends and left == list(range(left[0], -1, -1))


def _is_derived(moment: OperationSnapshot) -> bool:
    """Say whether progress lies between the steps that are done and those that were begun."""
    if moment["phase"] != "forward":
        return True
    weight = sum(step["weight"] for step in moment["steps"])
    done = sum(s["weight"] for s in moment["steps"] if s["status"] == "completed")
    begun = sum(s["weight"] for s in moment["steps"] if s["status"] != "pending")
    return 99 * done // weight <= moment["progress"] <= 99 * begun / weight


def _backward(before: OperationSnapshot, after: OperationSnapshot) -> list[str]:
    """Return the steps that neither stayed as they were nor moved on."""
    return [
        f"{a['name']} from {a['status']} to {b['status']} when {after['phase']}"
        for a, b in zip(before["steps"], after["steps"], strict=True)
        if a["status"] != b["status"] and b["status"] not in MOVES[a["status"]]
    ]


def _of_cluster(history: "History", tale: Tale, found: Evidence) -> Verdicts:
    alive = [thing for thing in history.far_side.alive() if thing.cluster_id == tale.cluster_id]
    if found.operation.status is OperationStatus.COMPLETED:
        yield from _of_built(history, found, alive)
    else:
        yield f"left alive: {sorted(thing.kind for thing in alive)}", not alive
        gone = tale.cluster_id in history.deleted
        yield "the cluster is still there, or gone", (found.cluster is None) is gone
        if found.cluster:
            yield "the cluster is not failed", found.cluster.status is ClusterStatus.FAILED
            yield "an endpoint is left", found.cluster.endpoint is None
        yield "nodes are left in the rows", not found.nodes
        yield "pools count nodes", all(pool.ready_count == 0 for pool in found.pools)
        yield "a pool is not failed", all(p.status is ClusterStatus.FAILED for p in found.pools)


def _of_built(history: "History", found: Evidence, alive: Sequence[Resource]) -> Verdicts:
    kinds = sorted(thing.kind for thing in alive)
    ordered = sum(pool.node_count for pool in found.pools)
    wanted = [
        Kind.ADDONS,
        Kind.CONTROL_PLANE,
        Kind.NETWORK,
        *[Kind.NODE] * ordered,
        *[Kind.NODE_POOL] * len(found.pools),
    ]
    yield f"the cloud is not what was ordered: {kinds}", kinds == sorted(wanted)
    ready = all(thing.state(history.far_side.now) is State.READY for thing in alive)
    yield "something is not ready", ready
    nodes = {thing.id for thing in alive if thing.kind is Kind.NODE}
    yield "the rows name other nodes", {node.id for node in found.nodes} == nodes
    counts = all(pool.ready_count == pool.node_count for pool in found.pools)
    yield "the pools count other nodes", counts
    cluster = found.cluster
    runs = cluster is not None and cluster.status is ClusterStatus.RUNNING
    yield "the cluster does not run", runs
    yield "the cluster has no endpoint", bool(cluster and cluster.endpoint)
    yield "a pool does not run", all(p.status is ClusterStatus.RUNNING for p in found.pools)
    unmade = [
        d
        for d in history.far_side.deeds
        if d.effect == DELETED and d.id == (cluster.id if cluster else None)
    ]
    yield "something of it was deleted", not unmade


def _of_pool(history: "History", tale: Tale, found: Evidence) -> Verdicts:
    """Say whether a pool is as it was asked to be, or as it was before; its nodes are the same."""
    pool = next(one for one in found.pools if one.id == tale.resource_id)
    completed = found.operation.status is OperationStatus.COMPLETED
    asked, former = tale.request, tale.request["pool"]
    wanted = asked if completed else former
    row = (pool.labels, pool.taints, pool.max_nodes, pool.node_count)
    aim = (wanted["labels"], wanted["taints"], wanted["max_nodes"], former["node_count"])
    yield "the pool's row is not what is so", row == aim
    nodes = [one for one in history.far_side.alive() if one.pool_id == tale.resource_id]
    numbers = [one.number for one in nodes]
    yield f"a node was replaced: {numbers}", numbers == list(range(1, former["node_count"] + 1))
    unsure = not completed and any(may_be_changed(step) for step in found.operation.steps)
    yield "it is not said what is unsure", (pool.conditions[0]["status"] == "Unknown") is unsure
    taints = tuple(Taint(**taint) for taint in wanted["taints"])
    so = all(marks_of(node) == (wanted["labels"], taints) for node in nodes)
    yield "the nodes are not as the row says", so or unsure
    yield "it was repaired without need", not unsure or bool(set(tale.struck) & LATE)
    yield "an orphan of a living pool", not found.moments[-1]["orphans"]


OF_TYPE: dict[str, Callable[["History", Tale, Evidence], Verdicts]] = {
    "cluster.create": _of_cluster,
    "node_pool.update": _of_pool,
}
"""Operation type → what must hold of what it was about."""


def _of_cause(tale: Tale, found: Evidence) -> Verdicts:
    """Say whether how it ended has a reason in what befell it."""
    row, struck = found.operation, set(tale.struck)
    completed = row.status is OperationStatus.COMPLETED
    one = tale.count == 1
    asked = tale.cancel_wanted or tale.operator_cancelled
    heard = bool(tale.runs) and tale.cancelled.get(tale.runs[-1].id, False)
    yield "a cancel was not heeded", not (completed and heard)
    yield "an activity was not waited for", not tale.hasty
    yield "a cancel was not forwarded", not (completed and one and tale.cancel_due)
    yield "it failed without a reason", row.status != "failed" or bool(struck & LETHAL)
    yield "it was cancelled unasked", row.status != "cancelled" or asked
    said = tale.runs[-1].ending if tale.runs else None
    apart = one and completed and not tale.cancelled and said and "fail" in said
    yield "the run failed and the row completed", not apart
    orphans = [orphan for moment in found.moments for orphan in moment["orphans"]]
    swept = list(found.actions).count("operations.orphans_swept")
    yield "orphans without a cause", not orphans or bool(struck & LATE)
    yield "orphans were not swept once", swept == bool(orphans)
    for action, most in tale.repairs_expected.items():
        done = list(found.actions).count(action)
        again = most and "temporal_away" in struck  # noted twice, since it could not be started
        yield f"repaired without a cause: {action}", done <= most or bool(again)


def _seconds(instant: str | None) -> float:
    return datetime.fromisoformat(instant).timestamp() if instant else 0.0


def _rises(numbers: Iterable[float]) -> bool:
    told = list(numbers)
    return told == sorted(told)
