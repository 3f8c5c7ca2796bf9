from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from cks.domain.operations.plans import (
    ADD_ONS,
    CONTROL_PLANE,
    NETWORK,
    NODE_POOL,
    VERIFY,
    expected_seconds,
    plan_create,
    pool_step,
)

NAMES = st.text("az09-", min_size=1, max_size=63)
POOLS = st.lists(
    st.tuples(st.uuids(), NAMES, st.integers(1, 1_000)),
    min_size=1,
    max_size=8,
    unique_by=lambda pool: pool[1],
)
Pools = list[tuple[UUID, str, int]]


@given(POOLS)
def test_the_steps_stand_in_this_order_with_one_for_each_pool(pools: Pools) -> None:
    made = [pool_step(name) for _, name, _ in pools]
    names = [step.name for step in plan_create(pools)]
    assert names == [NETWORK, CONTROL_PLANE, *made, ADD_ONS, VERIFY]
    assert len(set(names)) == len(names)


@given(POOLS)
def test_a_step_has_more_time_than_it_is_expected_to_take(pools: Pools) -> None:
    for step in plan_create(pools):
        assert 0 < step.expected_seconds < step.limit_seconds


@given(POOLS)
def test_a_steps_words_fit_into_their_columns(pools: Pools) -> None:
    for step in plan_create(pools):
        assert len(step.name) <= 80
        assert len(step.title) <= 200


@given(POOLS)
def test_only_a_pools_step_names_a_resource_and_it_is_the_pool(pools: Pools) -> None:
    of_pools = [step for step in plan_create(pools) if step.name.startswith(f"{NODE_POOL}:")]
    others = [step for step in plan_create(pools) if step not in of_pools]
    assert [step.resource_id for step in of_pools] == [pool for pool, _, _ in pools]
    assert {step.resource_id for step in others} == {None}


@given(st.uuids(), NAMES, st.integers(1, 999))
def test_a_larger_pool_weighs_more_and_may_take_longer(pool: UUID, name: str, count: int) -> None:
    small, large = (plan_create([(pool, name, size)])[2] for size in (count, count + 1))
    assert small.expected_seconds < large.expected_seconds
    assert small.limit_seconds < large.limit_seconds


def test_a_pool_named_like_a_step_is_no_trouble() -> None:
    steps = plan_create([(UUID(int=1), NETWORK, 1), (UUID(int=2), VERIFY, 1)])
    assert len({step.name for step in steps}) == len(steps)


@given(POOLS)
def test_a_plan_takes_as_long_as_its_slowest_pool_and_all_the_rest(pools: Pools) -> None:
    steps = plan_create(pools)
    told = expected_seconds((step.name, step.expected_seconds) for step in steps)
    _, _, largest = max(pools, key=lambda pool: pool[2])
    assert told == 30 + 150 + (60 + 6 * largest) + 30 + 5


def test_a_plan_without_pools_takes_as_long_as_its_steps() -> None:
    assert expected_seconds([(NETWORK, 30), (VERIFY, 5)]) == 35
    assert expected_seconds([]) == 0
