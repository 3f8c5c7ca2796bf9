"""An operation type that is registered has all of its parts, in every layer."""

import sys
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.routes import ENDPOINTS
from cks.db.registry import EFFECTS
from cks.domain.access.permissions import PERMISSIONS
from cks.domain.clusters.creation import CREATE, CreateCluster
from cks.domain.clusters.pool_update import UpdateNodePool
from cks.domain.operations.plans import Plan, Undo
from cks.domain.operations.types import Claim, OperationType, Subject, by_name, inside_cluster
from cks.domain.registry import LATER, RUN_BY_WORKFLOWS, TYPES
from tests.support.requests import VERSION, new_cluster, pool
from tests.support.type_scenes import SCENES
from tests.workflows.histories import WAYS, paths_of
from worker import WORKFLOWS
from workflows.operation_run import Pair

SAMPLES: dict[type[Any], Any] = {
    CreateCluster: new_cluster(pool("small", 1), pool("large", 3)),
    UpdateNodePool: UpdateNodePool({"tier": "web"}, (), 1, 9, pool(), VERSION),
}
"""Request type → one whose plan has every action of its operation type."""

run_by_workflows = pytest.mark.parametrize("name", RUN_BY_WORKFLOWS)
every_type = pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES.keys())


def plan_of(name: str) -> Plan:
    return TYPES[name].plan(SAMPLES[TYPES[name].request])


def pairs_of(name: str) -> Mapping[str, Pair]:
    """Return with which activities the type's workflow does and undoes each action."""
    found = {workflow.__name__: workflow for workflow in WORKFLOWS}
    workflow = found[str(TYPES[name].workflow)]
    pairs: Mapping[str, Pair] = sys.modules[workflow.__module__].PAIRS
    return pairs


@every_type
def test_its_permission_is_one_that_reaches_as_far(kind: OperationType) -> None:
    assert PERMISSIONS[kind.permission].scope is kind.scope


@every_type
def test_it_says_what_it_does_to_the_rows(kind: OperationType) -> None:
    assert kind.name in EFFECTS


@every_type
def test_a_route_starts_it_with_its_permission(kind: OperationType) -> None:
    (route,) = [endpoint for endpoint in ENDPOINTS if endpoint.starts is kind]
    assert route.permission == kind.permission
    assert route.status == 202


@run_by_workflows
def test_each_step_of_its_plan_has_its_activities(name: str) -> None:
    pairs = pairs_of(name)
    steps = plan_of(name).steps
    assert {step.action for step in steps} == pairs.keys()
    for step in steps:
        assert (pairs[step.action].undo is None) is (step.undo is Undo.NONE), step.action


@run_by_workflows
def test_it_has_a_scene_that_names_the_call_of_each_action(name: str) -> None:
    assert SCENES[name].calls.keys() == pairs_of(name).keys()


@run_by_workflows
def test_it_has_stored_histories(name: str) -> None:
    assert WAYS[name]
    assert all(path.exists() for path in paths_of(name))


@run_by_workflows
def test_its_request_is_read_from_the_row_as_it_was_written(name: str) -> None:
    adapter = TypeAdapter(TYPES[name].request)
    sample = SAMPLES[TYPES[name].request]
    assert adapter.validate_python(adapter.dump_python(sample, mode="json")) == sample


def test_a_type_is_registered_once() -> None:
    with pytest.raises(ValueError, match=r"registered twice: cluster\.create"):
        by_name((CREATE, CREATE))


def test_what_is_inside_a_cluster_holds_itself_and_shares_the_cluster() -> None:
    cluster, one = new_cluster().node_pools[0].id, pool().id
    claims = inside_cluster(Subject("node_pool", one, "default", cluster))
    assert claims == (Claim(cluster, shared=True), Claim(one))
    with pytest.raises(ValueError, match="outside of a cluster"):
        inside_cluster(Subject("billing_period", one, "2026-11", None))


def test_what_is_built_is_not_called_later() -> None:
    assert not TYPES.keys() & set(LATER)
