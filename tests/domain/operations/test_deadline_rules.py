"""How long an operation may take, and when its undo gives up."""

from datetime import UTC, datetime, timedelta

import pytest

from cks.domain.clusters import creation
from cks.domain.operations.deadlines import Allowance, Deadlines
from cks.domain.operations.failures import said_at_the_end
from tests.support.requests import new_cluster, pool

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


def plan(*counts: int) -> int:
    pools = (pool(f"p{n}", count) for n, count in enumerate(counts))
    return creation.plan(new_cluster(*pools)).limit_seconds


def test_an_operation_may_take_its_steps_limits_and_then_be_undone() -> None:
    deadlines = Allowance(provider_speed=2, undo_seconds=60).from_now(600, NOW)
    assert deadlines.forward_until == NOW + timedelta(seconds=300)
    assert deadlines.deadline_at == NOW + timedelta(seconds=360)


def test_pools_are_made_five_at_a_time() -> None:
    one = plan(1)
    assert plan(1, 1, 1, 1, 1) == one
    assert plan(1, 1, 1, 1, 1, 1) == one + 30 * 60 + 30
    assert plan(1, 100) == one + 99 * 30


def test_turning_back_early_brings_the_end_nearer() -> None:
    before = Deadlines(NOW + timedelta(hours=2), NOW + timedelta(hours=3))
    after = before.turned_back(NOW)
    assert after == Deadlines(NOW, NOW + timedelta(hours=1))


def test_turning_back_late_never_moves_the_end_away() -> None:
    before = Deadlines(NOW - timedelta(hours=2), NOW - timedelta(hours=1))
    assert before.turned_back(NOW) == before


@pytest.mark.parametrize(("undo", "early"), [(3600, 30), (8, 2)])
def test_an_undo_gives_up_in_time_to_tell(undo: int, early: int) -> None:
    deadlines = Deadlines(NOW, NOW + timedelta(seconds=undo))
    assert deadlines.handover_at == deadlines.deadline_at - timedelta(seconds=early)
    assert deadlines.end_at == deadlines.deadline_at - timedelta(seconds=early / 2)


def test_the_end_says_whether_all_is_undone() -> None:
    assert said_at_the_end("It broke.", orphans=False) == "It broke. Its changes have been undone."
    assert "removed later" in said_at_the_end("It broke.", orphans=True)
    assert "may not be restored" in said_at_the_end("It broke.", orphans=False, changed=True)
