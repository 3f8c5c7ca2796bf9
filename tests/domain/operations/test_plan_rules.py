import pytest
from hypothesis import given
from hypothesis import strategies as st

from cks.domain.clusters.creation import plan
from cks.domain.clusters.pools import PoolSpec
from cks.domain.operations.plans import PlannedStep, ResourceKind, Undo, expected_seconds
from tests.support.requests import new_cluster, pool

NAMES = st.text("az09-", min_size=1, max_size=63)
POOLS = st.lists(
    st.builds(pool, NAMES, st.integers(1, 1_000)),
    min_size=1,
    max_size=8,
    unique_by=lambda one: one.name,
)
Pools = list[PoolSpec]


@given(POOLS)
def test_the_steps_stand_in_this_order_with_one_for_each_pool(pools: Pools) -> None:
    made = [f"node_pool:{one.name}" for one in pools]
    names = [step.name for step in plan(new_cluster(*pools)).steps]
    assert names == ["network", "control_plane", *made, "add_ons", "verify"]
    assert len(set(names)) == len(names)


@given(POOLS)
def test_only_the_pools_are_made_side_by_side(pools: Pools) -> None:
    assert [len(stage) for stage in plan(new_cluster(*pools)).stages] == [1, 1, len(pools), 1, 1]


@given(POOLS)
def test_a_step_has_more_time_than_it_is_expected_to_take(pools: Pools) -> None:
    for step in plan(new_cluster(*pools)).steps:
        assert 0 < step.expected_seconds < step.limit_seconds


@given(POOLS)
def test_a_steps_words_fit_into_their_columns(pools: Pools) -> None:
    for step in plan(new_cluster(*pools)).steps:
        assert len(step.name) <= 80
        assert len(step.action) <= 32
        assert len(step.title) <= 200


@given(POOLS)
def test_only_a_pools_step_names_a_resource_and_it_is_the_pool(pools: Pools) -> None:
    steps = plan(new_cluster(*pools)).steps
    of_pools = [step for step in steps if step.makes is ResourceKind.NODE_POOL]
    others = [step for step in steps if step not in of_pools]
    named = [(step.resource_id, step.resource_name) for step in of_pools]
    assert named == [(one.id, one.name) for one in pools]
    assert {step.resource_id for step in others} == {None}


@given(NAMES, st.integers(1, 999))
def test_a_larger_pool_weighs_more_and_may_take_longer(name: str, count: int) -> None:
    sizes = (count, count + 1)
    small, large = (plan(new_cluster(pool(name, size))).steps[2] for size in sizes)
    assert small.expected_seconds < large.expected_seconds
    assert small.limit_seconds < large.limit_seconds


def test_a_pool_named_like_a_step_is_no_trouble() -> None:
    steps = plan(new_cluster(pool("network"), pool("verify"))).steps
    assert len({step.name for step in steps}) == len(steps)


@given(POOLS)
def test_a_plan_takes_as_long_as_its_slowest_pool_and_all_the_rest(pools: Pools) -> None:
    planned = plan(new_cluster(*pools))
    largest = max(one.node_count for one in pools)
    assert planned.expected_seconds == 30 + 150 + (60 + 6 * largest) + 30 + 5
    placed = [(n, s.expected_seconds) for n, stage in enumerate(planned.stages) for s in stage]
    assert expected_seconds(placed) == planned.expected_seconds


def test_steps_of_no_plan_take_no_time() -> None:
    assert expected_seconds([]) == 0


@pytest.mark.parametrize(
    ("makes", "undo"),
    [
        (None, Undo.REMOVE),
        (ResourceKind.NODE_POOL, Undo.RESTORE),
        (ResourceKind.NETWORK, Undo.NONE),
    ],
)
def test_what_is_removed_is_what_was_made_and_nothing_else(
    makes: ResourceKind | None, undo: Undo
) -> None:
    with pytest.raises(ValueError, match="resize: what a step makes, its undo removes"):
        PlannedStep("resize", "Resize the pool", 10, 60, makes=makes, undo=undo)
