from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cks.domain.operations.lifecycle import (
    CANCELLED,
    LIVE,
    Ending,
    Heading,
    OperationStatus,
    Phase,
    StepStatus,
    cancel_snapshot,
    check_cancel,
    check_done,
    check_heading,
    check_live,
    phase_of,
    progress_of,
    workflow_id,
)
from cks.domain.refusals import NotCancellable, Superseded, TooLate, TurnedBack

S = OperationStatus
ENDED = [status for status in S if status not in LIVE]
WEIGHTS = st.lists(st.integers(1, 10_000), min_size=1, max_size=25)
FRACTIONS = st.floats(0, 1)


@st.composite
def plans_at_two_times(draw: st.DrawFn) -> list[tuple[int, float, float]]:
    """Return ``(weight, fraction, the same or a later fraction)`` of each step."""
    weights = draw(WEIGHTS)
    pairs = [sorted((draw(FRACTIONS), draw(FRACTIONS))) for _ in weights]
    return [(weight, then, now) for weight, (then, now) in zip(weights, pairs, strict=True)]


@given(plans_at_two_times())
def test_progress_never_falls_while_the_steps_move_on(plan: list[tuple[int, float, float]]) -> None:
    before = progress_of((weight, then) for weight, then, _ in plan)
    after = progress_of((weight, now) for weight, _, now in plan)
    assert 0 <= before <= after <= 99


@given(WEIGHTS)
def test_progress_goes_from_0_to_99_and_leaves_the_last_percent_to_the_end(
    weights: list[int],
) -> None:
    assert progress_of((weight, 0.0) for weight in weights) == 0
    assert progress_of((weight, 1.0) for weight in weights) == 99


@given(WEIGHTS)
def test_progress_rises_with_each_step_by_its_weight(weights: list[int]) -> None:
    told = [
        progress_of((weight, float(place < done)) for place, weight in enumerate(weights))
        for done in range(len(weights) + 1)
    ]
    for weight, (before, after) in zip(weights, pairwise(told), strict=True):
        assert abs((after - before) - 99 * weight / sum(weights)) <= 1


def test_a_plan_without_steps_has_made_no_progress() -> None:
    assert progress_of([]) == 0


@pytest.mark.parametrize("status", ENDED)
def test_nobody_moves_an_operation_that_has_ended(status: OperationStatus) -> None:
    with pytest.raises(Superseded, match=status.value):
        check_live(status)


@pytest.mark.parametrize("status", LIVE)
def test_a_live_operation_may_be_moved_and_cancelled(status: OperationStatus) -> None:
    check_live(status)
    check_cancel(status, "rolls_back")
    assert cancel_snapshot("rolls_back", status, None, "verify") == {
        "possible": True,
        "effect": "rolls_back",
        "until_step": "verify",
        "reason": None,
    }


@pytest.mark.parametrize("ending", Ending)
def test_there_is_no_way_forward_for_what_is_being_undone(ending: Ending) -> None:
    with pytest.raises(TurnedBack, match=ending.value):
        check_heading(Heading.FORWARD, ending)
    assert check_heading(Heading.BACK, ending) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("heading", Heading)
def test_an_operation_that_was_not_turned_back_goes_either_way(heading: Heading) -> None:
    assert check_heading(heading, None) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("status", [S.COMPLETED, S.FAILED])
def test_it_is_too_late_to_cancel_what_completed_or_failed(status: OperationStatus) -> None:
    with pytest.raises(TooLate) as caught:
        check_cancel(status, "rolls_back")
    assert caught.value.members == {"operation_status": status}


def test_cancelling_twice_is_harmless() -> None:
    assert check_cancel(S.CANCELLED, "rolls_back") is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("status", ENDED)
def test_a_cancel_of_what_ended_is_not_offered_and_says_why(status: OperationStatus) -> None:
    told = cancel_snapshot("rolls_back", status, None, "verify")
    assert (told["possible"], told["effect"], told["until_step"]) == (False, "none", None)
    assert status in str(told["reason"])


@pytest.mark.parametrize("ending", Ending)
def test_a_cancel_of_what_is_being_undone_is_not_offered(ending: Ending) -> None:
    told = cancel_snapshot("rolls_back", S.RUNNING, ending, "verify")
    assert (told["possible"], told["effect"]) == (False, "none")
    assert "already being undone" in str(told["reason"])


@pytest.mark.parametrize(
    ("status", "ending", "phase"),
    [
        (S.PENDING, None, Phase.WAITING),
        (S.PENDING, Ending.CANCELLED, Phase.COMPENSATING),
        (S.RUNNING, None, Phase.FORWARD),
        (S.RUNNING, Ending.CANCELLED, Phase.COMPENSATING),
        (S.RUNNING, Ending.FAILED, Phase.COMPENSATING),
        (S.COMPLETED, None, Phase.DONE),
        (S.FAILED, Ending.FAILED, Phase.DONE),
        (S.CANCELLED, Ending.CANCELLED, Phase.DONE),
    ],
)
def test_the_phase_follows_from_status_and_direction(
    status: OperationStatus, ending: Ending | None, phase: Phase
) -> None:
    assert phase_of(status, ending) is phase


def test_whatever_turns_back_ends_in_a_terminal_status() -> None:
    assert {S(ending) for ending in Ending} == {S.FAILED, S.CANCELLED}
    assert CANCELLED.ending is Ending.CANCELLED


def test_the_runs_id_names_the_type_and_the_operation_and_nothing_of_a_tenant() -> None:
    operation = UUID("0198c5a0-0000-7000-8000-000000000001")
    assert workflow_id("cluster.create", operation) == f"cluster.create/{operation}"


@pytest.mark.parametrize("step", [one for one in StepStatus if one is not StepStatus.COMPLETED])
def test_nothing_completes_before_its_steps(step: StepStatus) -> None:
    steps = [StepStatus.COMPLETED, step]
    with pytest.raises(AssertionError, match="before its steps"):
        check_done(Heading.FORWARD, steps)
    check_done(Heading.BACK, steps)
    check_done(Heading.FORWARD, steps[:1])


@pytest.mark.parametrize("status", LIVE)
def test_what_only_goes_forward_is_not_cancelled(status: OperationStatus) -> None:
    with pytest.raises(NotCancellable):
        check_cancel(status, "none")
    told = cancel_snapshot("none", status, None, "verify")
    assert (told["possible"], told["effect"]) == (False, "none")
    assert "cannot be cancelled" in str(told["reason"])
