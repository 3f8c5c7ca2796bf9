"""When a live operation needs a look."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cks.domain.operations.attention import PATIENCE, Signs, Why, why_stuck
from cks.domain.operations.lifecycle import TERMINAL, Ending, OperationStatus

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
WELL = Signs(
    status=OperationStatus.RUNNING,
    ending=None,
    runnable_at=NOW,
    dispatched_at=NOW,
    forward_until=NOW + timedelta(hours=1),
    deadline_at=NOW + timedelta(hours=2),
    updated_at=NOW,
    failing_since=None,
)


def late(why: Why) -> Mapping[str, object]:
    """Return what makes an operation look late, by exactly as much as is borne."""
    at = NOW - PATIENCE[why]
    changed: dict[Why, dict[str, object]] = {
        Why.DEADLINE_PASSED: {"deadline_at": at},
        Why.NOT_STARTED: {"runnable_at": at, "dispatched_at": None},
        Why.LONG_UNDO: {"forward_until": at, "ending": Ending.FAILED},
        Why.SILENT: {"updated_at": at},
        Why.STEP_FAILING: {"failing_since": at},
    }
    return changed[why]


def made(changes: Mapping[str, object]) -> Signs:
    return replace(WELL, **changes)  # type: ignore[arg-type]


def test_an_operation_that_goes_its_way_needs_no_look() -> None:
    assert why_stuck(WELL, NOW) == []


@pytest.mark.parametrize("why", Why)
def test_each_reason_is_told_as_soon_as_it_has_lasted_too_long(why: Why) -> None:
    assert why_stuck(made(late(why)), NOW) == []
    assert why_stuck(made(late(why)), NOW + MOMENT) == [why]


def test_several_reasons_are_told_with_the_gravest_first() -> None:
    changes = {**late(Why.SILENT), **late(Why.NOT_STARTED), **late(Why.DEADLINE_PASSED)}
    expected = [Why.DEADLINE_PASSED, Why.NOT_STARTED, Why.SILENT]
    assert why_stuck(made(changes), NOW + MOMENT) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"runnable_at": None, "dispatched_at": None, "forward_until": None, "deadline_at": None},
        {"runnable_at": NOW - timedelta(hours=1)},
        {"forward_until": NOW - timedelta(hours=1)},
        {"failing_since": NOW - timedelta(hours=1), "ending": Ending.CANCELLED},
    ],
    ids=["queued", "started", "at its last step", "failed before it turned back"],
)
def test_what_looks_late_but_is_not_needs_no_look(changes: Mapping[str, object]) -> None:
    assert why_stuck(made(changes), NOW) == []


@pytest.mark.parametrize("status", TERMINAL)
def test_an_operation_that_has_ended_is_not_stuck(status: OperationStatus) -> None:
    long_ago = made({**late(Why.DEADLINE_PASSED), **late(Why.SILENT), "status": status})
    assert why_stuck(long_ago, NOW + timedelta(days=1)) == []
