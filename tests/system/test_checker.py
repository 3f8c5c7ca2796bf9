"""The checker's own exam: the truth passes, and each lie is noticed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import pytest

from cks.providers.simulated.wire import Call, CallRecord, Kind, Ledger
from tests.system.checker import of_cloud, of_operation, violations
from tests.system.findings import Finder, Findings
from tests.system.outside import Outside

pytestmark = pytest.mark.trial


@dataclass(frozen=True, slots=True)
class Truth:
    """What was found of an operation that completed, of one that was cancelled, and in all."""

    built: Findings
    unmade: Findings
    clusters: set[UUID]


@pytest.fixture(scope="module")
async def truth(stack: Outside) -> Truth:
    built, unmade = await stack.create(), await stack.half_done()
    await stack.tenant.cancel(unmade)
    await stack.ended(built)
    await stack.ended(unmade)
    finder = Finder(stack.exports)
    found = [await finder.find(operation["id"]) for operation in (built, unmade)]
    return Truth(found[0], found[1], await finder.clusters())


Lie = Callable[[Findings], Findings]


def of_rows(**changes: object) -> Lie:
    return lambda found: replace(found, rows=replace(found.rows, **changes))  # type: ignore[arg-type]


def of_body(**changes: object) -> Lie:
    return lambda found: replace(found, operation=found.operation | changes)


def of_last_event_but_one(**changes: object) -> Lie:
    def lie(found: Findings) -> Findings:
        events = [*found.events]
        seq, told = events[-2]
        events[-2] = (seq, told | changes)
        return replace(found, events=events)

    return lie


def without_first_event(found: Findings) -> Findings:
    return replace(found, events=found.events[1:])


def without_a_node(found: Findings) -> Findings:
    things = [*found.ledger.resources]
    things.remove(next(thing for thing in things if thing.kind is Kind.NODE))
    return replace(found, ledger=replace(found.ledger, resources=things))


def alive(found: Findings) -> Findings:
    """Say that the network was left."""
    thing = replace(found.ledger.resources[0], kind=Kind.NETWORK, cluster_id=found.cluster_id)
    return replace(found, ledger=replace(found.ledger, resources=[thing]))


def ended_before_the_last_call(found: Findings) -> Findings:
    began = found.operation["created_at"]
    return replace(found, operation=found.operation | {"completed_at": began})


def doubled(ledger: Ledger) -> list[CallRecord]:
    return [*ledger.calls, next(call for call in ledger.calls if call.effect == "created")]


def late(ledger: Ledger) -> list[CallRecord]:
    """Say that a call under the way forward's fence came through after the undo."""
    back = next(call for call in ledger.calls if call.call is Call.DELETE_NETWORK)
    first = replace(back, call=Call.ENSURE_NETWORK, effect="unchanged")
    return [*ledger.calls, replace(first, fence=(back.fence or 0) - 1)]


LIES = {
    "a claim is left": of_rows(claims=1),
    "the log has the outcomes": of_rows(actions=["cluster.create.completed"] * 2),
    "a step is not whole": of_rows(fractions=[1.0, 0.5]),
    "the cluster does not run": of_rows(status="provisioning"),
    "the cluster has no endpoint": of_rows(endpoint=None),
    "the rows name other nodes": of_rows(nodes=frozenset([uuid4()])),
    "the rows name other pools": of_rows(pools=[]),
    "a run is open": lambda found: replace(found, open_runs=1),
    "it ended as running": of_body(status="running"),
    "100 does not mean completed": of_body(progress=99),
    "a failure has no reason": of_body(error={"code": "internal"}),
    "an orphan is left": of_body(orphans=[{"kind": "network"}]),
    "its deadline moved away": of_last_event_but_one(deadline_at="2000-01-01T00:00:00Z"),
    "it was settled after its deadline": of_body(deadline_at="2000-01-01T00:00:00Z"),
    "told progress fell": of_last_event_but_one(progress=5),
    "told 100 is not completed": of_last_event_but_one(progress=100),
    "it was told to turn round": of_last_event_but_one(phase="waiting"),
    "its end was not told once": of_last_event_but_one(done=True),
    "progress is not what the steps say": of_last_event_but_one(progress=5),
    "an event is missing": without_first_event,
    "the cloud is not what was ordered": without_a_node,
    "the cloud was changed after its end": ended_before_the_last_call,
}
LIES_OF_UNMADE = {
    "left alive": alive,
    "the cluster is not failed": of_rows(status="running"),
    "an endpoint is left": of_rows(endpoint="https://somewhere"),
    "nodes are left in the rows": of_rows(nodes=frozenset([uuid4()])),
    "100 does not mean completed": of_body(progress=100),
}
LIES_OF_CLOUD = {"doubled": doubled, "a lower fence was accepted": late}


def test_the_truth_passes(truth: Truth) -> None:
    assert violations(of_operation(truth.built)) == []
    assert violations(of_operation(truth.unmade)) == []
    assert violations(of_cloud(truth.built.ledger, truth.clusters)) == []


@pytest.mark.parametrize("told", LIES)
def test_a_lie_about_what_was_built_is_noticed(truth: Truth, told: str) -> None:
    found = violations(of_operation(LIES[told](truth.built)))
    assert [what for what in found if what.startswith(told)] != []


@pytest.mark.parametrize("told", LIES_OF_UNMADE)
def test_a_lie_about_what_was_unmade_is_noticed(truth: Truth, told: str) -> None:
    found = violations(of_operation(LIES_OF_UNMADE[told](truth.unmade)))
    assert [what for what in found if what.startswith(told)] != []


@pytest.mark.parametrize("told", LIES_OF_CLOUD)
def test_a_lie_of_the_cloud_is_noticed(truth: Truth, told: str) -> None:
    ledger = truth.unmade.ledger
    lying = replace(ledger, calls=LIES_OF_CLOUD[told](ledger))
    assert [what for what in violations(of_cloud(lying, truth.clusters)) if what.startswith(told)]


def test_what_nobody_ordered_is_noticed(truth: Truth) -> None:
    assert violations(of_cloud(truth.built.ledger, set())) != []
