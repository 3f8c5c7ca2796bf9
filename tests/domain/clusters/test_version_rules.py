from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cks import catalogue
from cks.domain.clusters.versions import (
    EXTENDED_SUPPORT,
    ORDERABLE,
    Minor,
    Support,
    check_minors,
    choices,
    is_orderable,
    resolve,
    support_of,
)
from cks.domain.refusals import Fault

COURSE = list(Support)
DAY = timedelta(days=1)
DAYS = st.dates(date(2020, 1, 1), date(2040, 1, 1))
YEARS = timedelta(days=20 * 365)
INSTANTS = st.timedeltas(timedelta(0), YEARS).map(
    lambda age: datetime(2020, 1, 1, tzinfo=UTC) + age
)
LENGTHS = st.integers(0, 800)


@st.composite
def minors(draw: st.DrawFn, number: int | None = None) -> Minor:
    number = draw(st.integers(0, 99)) if number is None else number
    released = draw(DAYS)
    maintained = released + timedelta(days=draw(LENGTHS))
    return Minor(
        minor=f"1.{number}",
        released=released,
        maintenance_from=draw(st.sampled_from([None, maintained])),
        end_of_life=maintained + timedelta(days=draw(LENGTHS)),
        latest_patch=f"1.{number}.{draw(st.integers(0, 20))}",
    )


@st.composite
def catalogues(draw: st.DrawFn) -> list[Minor]:
    numbers = draw(st.lists(st.integers(0, 40), unique=True, max_size=6))
    return [draw(minors(number)) for number in numbers]


def at(day: date) -> datetime:
    """The first instant of a day."""
    return datetime.combine(day, time(), UTC)


@given(minors(), INSTANTS, st.integers(0, 3_000))
def test_support_moves_only_forward_in_time(minor: Minor, when: datetime, later: int) -> None:
    now, then = support_of(minor, when), support_of(minor, when + timedelta(days=later))
    assert COURSE.index(now) <= COURSE.index(then)


RELEASED, MAINTAINED, ENDS = date(2026, 1, 10), date(2027, 1, 10), date(2027, 3, 10)
MINOR = Minor("1.35", RELEASED, MAINTAINED, ENDS, "1.35.8")
UNDATED = Minor("1.36", RELEASED, None, ENDS, "1.36.0")


TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("instant", "before", "then"),
    [
        (at(RELEASED), Support.PREVIEW, Support.SUPPORTED),
        (at(MAINTAINED), Support.SUPPORTED, Support.DEPRECATED),
        (at(ENDS + DAY), Support.DEPRECATED, Support.EXTENDED),
        (at(ENDS + EXTENDED_SUPPORT + DAY), Support.EXTENDED, Support.EXPIRED),
    ],
)
def test_support_changes_at_these_instants(
    instant: datetime, before: Support, then: Support
) -> None:
    assert support_of(MINOR, instant - TICK) is before
    assert support_of(MINOR, instant) is then


@pytest.mark.parametrize("minor", catalogue.load().minors, ids=lambda minor: minor.minor)
def test_every_minor_of_the_catalogue_goes_through_its_life_in_order(minor: Minor) -> None:
    last = Support.PREVIEW
    for day, support in minor.course():
        assert support_of(minor, at(day) - TICK) is last
        assert support_of(minor, at(day)) is support
        last = support
    assert last is Support.EXPIRED
    assert minor.course()[-1][0] == minor.end_of_life + timedelta(days=366)


def test_a_day_begins_at_midnight_in_utc_wherever_one_asks() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert support_of(MINOR, datetime(2026, 1, 10, 8, 59, tzinfo=tokyo)) is Support.PREVIEW
    assert support_of(MINOR, datetime(2026, 1, 10, 9, 0, tzinfo=tokyo)) is Support.SUPPORTED


def test_a_minor_whose_maintenance_has_no_date_is_supported_to_its_end() -> None:
    assert support_of(UNDATED, at(ENDS)) is Support.SUPPORTED
    assert support_of(UNDATED, at(ENDS + DAY)) is Support.EXTENDED


def test_what_was_withdrawn_cannot_be_ordered_whatever_its_dates_say() -> None:
    withdrawn = replace(MINOR, withdrawn=True)
    assert is_orderable(MINOR, at(RELEASED))
    assert not is_orderable(withdrawn, at(RELEASED))
    assert resolve([withdrawn, UNDATED], None, at(RELEASED)) == "1.36.0"
    found = resolve([withdrawn, UNDATED], "1.35", at(RELEASED))
    assert isinstance(found, Fault)
    assert found.code == "version_not_offered"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([MINOR, replace(UNDATED, released=RELEASED - DAY)], "before 1.35"),
        ([MINOR, MINOR], "1.35 appears twice"),
        ([replace(MINOR, maintenance_from=ENDS + DAY)], "are not in order"),
        ([replace(MINOR, end_of_life=RELEASED - DAY, maintenance_from=None)], "are not in order"),
        ([replace(MINOR, latest_patch="1.3.58")], "1.3.58 is not a patch of 1.35"),
    ],
)
def test_minors_that_cannot_be_are_named(wrong: list[Minor], said: str) -> None:
    (found,) = check_minors(wrong)
    assert said in found


def test_minors_that_can_be_are_not() -> None:
    assert check_minors([UNDATED, MINOR]) == []
    assert check_minors(catalogue.load().minors) == []


@given(catalogues(), INSTANTS)
def test_the_choices_are_what_may_be_ordered_newest_first(
    offered: list[Minor], day: datetime
) -> None:
    found = choices(offered, day)
    assert {m.minor for m in found} == {m.minor for m in offered if support_of(m, day) in ORDERABLE}
    numbers = [int(m.minor.removeprefix("1.")) for m in found]
    assert numbers == sorted(numbers, reverse=True)


@given(catalogues(), INSTANTS, st.data())
def test_a_wish_resolves_to_the_newest_patch_of_an_orderable_minor_or_to_a_fault(
    offered: list[Minor], day: datetime, data: st.DataObject
) -> None:
    known = [text for minor in offered for text in (minor.minor, minor.latest_patch)]
    wanted = data.draw(st.sampled_from([None, "1.99", "1.3.99", *known]))
    found = resolve(offered, wanted, day)
    orderable = {m.latest_patch: m for m in choices(offered, day)}
    if isinstance(found, Fault):
        assert wanted is None or not any(
            wanted in (m.minor, m.latest_patch) for m in orderable.values()
        )
        ours = wanted in known or not orderable
        assert found.code == ("version_not_offered" if ours else "unknown_version")
        assert all(m.minor in found.detail for m in orderable.values())
    else:
        assert support_of(orderable[found], day) in ORDERABLE
        assert wanted in (None, found, orderable[found].minor)


def test_no_wish_means_the_newest_by_number_not_by_letters() -> None:
    nine = Minor("1.9", RELEASED, None, ENDS, "1.9.11")
    assert resolve([nine, MINOR, UNDATED], None, at(RELEASED)) == "1.36.0"
    assert resolve([nine, MINOR], None, at(RELEASED)) == "1.35.8"


def test_a_patch_that_is_not_the_newest_is_refused_with_the_newest_and_the_choices() -> None:
    found = resolve([MINOR, UNDATED], "1.35.7", at(RELEASED))
    newest = "the latest patch of 1.35 is 1.35.8"
    detail = f"1.35.7 is unknown; {newest}; choose one of: 1.36, 1.35"
    assert found == Fault("/version", "unknown_version", detail)


def test_an_expired_minor_is_refused_as_no_longer_on_offer() -> None:
    found = resolve([MINOR, UNDATED], "1.35", at(ENDS + EXTENDED_SUPPORT + DAY))
    assert isinstance(found, Fault)
    assert found.code == "version_not_offered"


def test_an_empty_offer_is_a_fault_that_says_so() -> None:
    found = resolve([MINOR], None, at(RELEASED - DAY))
    assert found == Fault("/version", "version_not_offered", "no version is currently available")
