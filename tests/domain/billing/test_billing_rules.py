"""What something costs, against an oracle that counts in exact fractions."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cks.domain.billing.rating import (
    Cycle,
    Line,
    Price,
    Segment,
    period_instants,
    rate,
    share_out,
    to_cents,
)
from cks.domain.refusals import NoPrice

T0 = datetime(2026, 3, 1, tzinfo=UTC)
LEDGERS = 1000
CENT, PLACE = Decimal("0.01"), Fraction(1, 10**18)
SKUS = ("node.m5.large", "disk", "control_plane")

Key = tuple[str, str, str, Decimal]


def seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


def at(number: float) -> datetime:
    return T0 + timedelta(hours=number)


def a_segment(number: int = 1, **changes: object) -> Segment:
    return replace(
        Segment(UUID(int=number), "node", "node.m5.large", Decimal(1), T0, None),
        **changes,  # type: ignore[arg-type]
    )


def a_price(amount: str, sku: str = "node.m5.large", **changes: object) -> Price:
    return replace(
        Price(sku, Decimal(amount), datetime(2000, 1, 1, tzinfo=UTC), None),
        **changes,  # type: ignore[arg-type]
    )


class Ledger:
    """A random ledger: segments, prices that change, and a window that cuts through both."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311
        self.start = T0 + self.moment(0, 5_000_000)
        self.end = self.start + self.moment(1, 3_000_000)
        self.prices = [price for sku in SKUS for price in self.course(sku)]
        self.segments = [self.segment(n) for n in range(self.dice.randint(1, 30))]

    def moment(self, least: int, most: int) -> timedelta:
        return seconds(self.dice.randint(least, most))

    def course(self, sku: str) -> list[Price]:
        """Prices of a SKU that follow one another without a gap."""
        cuts = sorted({T0 + self.moment(0, 9_000_000) for _ in range(self.dice.randint(0, 5))})
        begins = [datetime(2000, 1, 1, tzinfo=UTC), *cuts]
        ends: list[datetime | None] = [*cuts, None]
        return [
            Price(sku, Decimal(self.dice.randint(0, 10**12)).scaleb(-10), begin, end)
            for begin, end in zip(begins, ends, strict=True)
        ]

    def segment(self, number: int) -> Segment:
        began = T0 + self.moment(0, 8_000_000)
        ended = began + self.moment(0, 3_000_000) if self.dice.random() < 0.6 else None
        quantity = Decimal(self.dice.randint(1, 10**8)).scaleb(-6)
        resource = UUID(int=number // 2)
        return Segment(resource, "node", self.dice.choice(SKUS), quantity, began, ended)


def expected(ledger: Ledger) -> dict[Key, Fraction]:
    """The oracle: every second that ran, times quantity and price, as fractions."""
    exact: dict[Key, Fraction] = defaultdict(Fraction)
    for segment in ledger.segments:
        for price in ledger.prices:
            if price.sku != segment.sku:
                continue
            begin = max(segment.started_at, price.valid_from, ledger.start)
            end = min(segment.ended_at or ledger.end, price.valid_to or ledger.end, ledger.end)
            ran = int((end - begin).total_seconds())
            if ran > 0:
                key = ("node", str(segment.resource_id), segment.sku, price.unit_price)
                amount = Fraction(segment.quantity) * Fraction(price.unit_price)
                exact[key] += ran * amount / 3600
    return exact


def by_key(lines: Sequence[Line]) -> dict[Key, Line]:
    found = {(x.resource_type, str(x.resource_id), x.sku, x.unit_price): x for x in lines}
    assert len(found) == len(lines)
    return found


def rounded(exact: Fraction) -> Decimal:
    cents = exact * 100
    whole = Decimal(round(cents))  # a tie goes to the even cent
    return whole.scaleb(-2)


@pytest.mark.parametrize("first", range(0, LEDGERS, 100))
def test_agrees_with_the_oracle_on_random_ledgers(first: int) -> None:
    for seed in range(first, first + 100):
        ledger = Ledger(seed)
        exact = expected(ledger)
        lines = rate(ledger.segments, ledger.prices, ledger.start, ledger.end)
        found = by_key(lines)
        assert found.keys() == exact.keys()
        for key, line in found.items():
            pieces = len(ledger.segments) * len(ledger.prices)
            assert abs(Fraction(line.cost_exact) - exact[key]) <= pieces * PLACE
            assert abs(line.cost - line.cost_exact) < CENT
            assert ledger.start <= line.usage_start < line.usage_end <= ledger.end
        total = sum((line.cost for line in lines), Decimal(0))
        assert total == rounded(sum(exact.values(), Fraction(0)))


def test_the_parts_of_any_partition_add_up_to_the_last_place() -> None:
    for seed in range(0, LEDGERS, 4):
        ledger = Ledger(seed)
        whole = rate(ledger.segments, ledger.prices, ledger.start, ledger.end)
        length = int((ledger.end - ledger.start).total_seconds())
        inner = sorted({ledger.dice.randint(0, length) for _ in range(4)})
        cuts = [ledger.start, *(ledger.start + seconds(cut) for cut in inner), ledger.end]
        costs, hours = defaultdict[Key, Decimal](Decimal), defaultdict[Key, Decimal](Decimal)
        for begin, end in pairwise(cuts):
            part = rate(ledger.segments, ledger.prices, begin, end)
            for key, line in by_key(part).items():
                costs[key] += line.cost_exact
                hours[key] += line.quantity
        assert costs == {key: line.cost_exact for key, line in by_key(whole).items()}
        assert hours == {key: line.quantity for key, line in by_key(whole).items()}


def test_the_order_of_segments_and_prices_changes_nothing() -> None:
    for seed in range(50):
        ledger = Ledger(seed)
        lines = rate(ledger.segments, ledger.prices, ledger.start, ledger.end)
        ledger.dice.shuffle(ledger.segments)
        ledger.dice.shuffle(ledger.prices)
        assert rate(ledger.segments, ledger.prices, ledger.start, ledger.end) == lines


def test_a_thousand_lines_of_less_than_half_a_cent_make_what_they_are_worth() -> None:
    segments = [a_segment(number) for number in range(1000)]
    lines = rate(segments, [a_price("0.004")], T0, at(1))
    assert len(lines) == 1000
    assert sum(line.cost for line in lines) == Decimal("4.00")
    assert {line.cost for line in lines} == {Decimal("0.00"), Decimal("0.01")}
    paying = [line.resource_id for line in lines if line.cost]
    assert paying == sorted(paying)[: len(paying)] == [line.resource_id for line in lines][:400]


@pytest.mark.parametrize(
    ("zone", "first", "cycle", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 1), "month", "743"),
        ("Europe/Berlin", date(2026, 10, 1), "month", "745"),
        ("Europe/Berlin", date(2026, 10, 25), "day", "25"),
        ("America/New_York", date(2026, 11, 1), "month", "721"),
        ("America/New_York", date(2026, 3, 8), "day", "23"),
        ("Australia/Lord_Howe", date(2026, 4, 1), "month", "720.5"),
        ("Australia/Lord_Howe", date(2026, 10, 31), "month", "24"),
        ("Australia/Lord_Howe", date(2004, 10, 31), "day", "23.5"),
        ("UTC", date(2028, 2, 1), "month", "696"),
        ("Asia/Kathmandu", date(2026, 2, 1), "month", "672"),
    ],
)
def test_a_period_has_the_hours_that_its_zone_has(
    zone: str, first: date, cycle: Cycle, hours: str
) -> None:
    start, end = period_instants(first, zone, cycle)
    (line,) = rate([a_segment(started_at=start - timedelta(9))], [a_price("1")], start, end)
    assert line.quantity == line.cost_exact == Decimal(hours)
    assert (line.usage_start, line.usage_end) == (start, end)


def test_a_month_ends_with_its_calendar_month_whatever_day_it_began_on() -> None:
    start, end = period_instants(date(2026, 10, 31), "Australia/Lord_Howe")
    lord_howe = ZoneInfo("Australia/Lord_Howe")
    assert start.astimezone(lord_howe) == datetime(2026, 10, 31, tzinfo=lord_howe)
    assert end.astimezone(lord_howe) == datetime(2026, 11, 1, tzinfo=lord_howe)
    assert period_instants(date(2026, 12, 9), "UTC")[1] == datetime(2027, 1, 1, tzinfo=UTC)


def test_a_day_whose_midnight_is_skipped_begins_when_the_clocks_go_on() -> None:
    start, end = period_instants(date(2026, 4, 24), "Africa/Cairo", "day")
    assert start.astimezone(ZoneInfo("Africa/Cairo")).hour == 1
    assert end - start == timedelta(hours=23)


@given(st.dates(date(2000, 1, 1), date(2040, 1, 1)), st.sampled_from(["month", "day"]))
def test_periods_follow_one_another_without_gap_or_overlap(first: date, cycle: Cycle) -> None:
    for zone in ("America/Sao_Paulo", "Australia/Lord_Howe", "Europe/Dublin"):
        start, end = period_instants(first, zone, cycle)
        next_day = end.astimezone(ZoneInfo(zone)).date()
        assert start < end
        assert period_instants(next_day, zone, cycle)[0] == end


def test_a_zone_that_there_is_not_is_no_zone() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        period_instants(date(2026, 1, 1), "Mars/Olympus_Mons")


def test_a_price_that_changes_makes_a_line_of_each() -> None:
    prices = [a_price("0.1", valid_to=at(3)), a_price("0.2", valid_from=at(3))]
    cheap, dear = rate([a_segment(quantity=Decimal(2))], prices, T0, at(5))
    assert (cheap.unit_price, cheap.quantity, cheap.cost) == (
        Decimal("0.1"),
        Decimal(6),
        Decimal("0.60"),
    )
    assert (dear.unit_price, dear.quantity, dear.cost) == (
        Decimal("0.2"),
        Decimal(4),
        Decimal("0.80"),
    )
    assert (cheap.usage_end, dear.usage_start) == (at(3), at(3))


def test_a_resource_that_stopped_and_went_on_is_one_line_at_one_price() -> None:
    parts = [a_segment(ended_at=at(1)), a_segment(started_at=at(4), ended_at=at(6))]
    (line,) = rate(parts, [a_price("0.5")], T0, at(10))
    assert (line.quantity, line.cost) == (Decimal(3), Decimal("1.50"))
    assert (line.usage_start, line.usage_end) == (T0, at(6))


def test_seconds_are_whole_and_those_begun_do_not_count() -> None:
    almost = timedelta(microseconds=999_999)
    ran = a_segment(started_at=T0 + almost, ended_at=T0 + seconds(3600) + almost)
    (line,) = rate([ran], [a_price("3.6")], T0, at(2))
    assert (line.quantity, line.cost_exact) == (Decimal(1), Decimal("3.6"))
    assert (line.usage_start, line.usage_end) == (T0, at(1))


@pytest.mark.parametrize(
    "segment",
    [
        a_segment(ended_at=T0),
        a_segment(started_at=at(5)),
        a_segment(started_at=at(-9), ended_at=at(-1)),
    ],
)
def test_what_did_not_run_in_the_window_costs_nothing(segment: Segment) -> None:
    assert rate([segment], [a_price("1")], T0, at(2)) == ()


def test_a_window_without_length_has_no_lines() -> None:
    assert rate([a_segment()], [a_price("1")], at(1), at(1)) == ()
    assert rate([a_segment()], [a_price("1")], at(2), at(1)) == ()


def test_what_costs_nothing_is_a_line_all_the_same() -> None:
    (line,) = rate([a_segment()], [a_price("0")], T0, at(2))
    assert (line.quantity, line.cost) == (Decimal(2), Decimal("0.00"))


@pytest.mark.parametrize(
    "prices",
    [
        [],
        [a_price("1", sku="disk")],
        [a_price("1", valid_from=at(1))],
        [a_price("1", valid_to=at(1))],
        [a_price("1", valid_to=at(1)), a_price("2", valid_from=at(1.5))],
    ],
)
def test_what_has_no_price_for_a_while_is_refused_and_not_given_away(prices: list[Price]) -> None:
    with pytest.raises(NoPrice) as refused:
        rate([a_segment()], prices, T0, at(2))
    assert refused.value.members == {"sku": "node.m5.large"}


def test_a_price_is_needed_only_while_something_runs() -> None:
    prices = [a_price("1", valid_from=at(1), valid_to=at(2))]
    ran = a_segment(started_at=at(1), ended_at=at(2))
    (line,) = rate([ran], prices, T0, at(9))
    assert line.cost == Decimal("1.00")


AMOUNTS = st.decimals(0, 10**9, places=18)


@given(st.lists(AMOUNTS, max_size=30))
def test_cents_are_shared_out_so_that_nobody_is_a_cent_away(amounts: list[Decimal]) -> None:
    exact = dict(enumerate(amounts))
    cents = share_out(exact)
    total = sum((Fraction(amount) for amount in amounts), Fraction(0))
    assert sum(cents.values(), Decimal(0)) == rounded(total)
    assert all(abs(Fraction(cents[n]) - Fraction(exact[n])) < Fraction(CENT) for n in exact)


@pytest.mark.parametrize(
    ("exact", "cents"), [("0.005", "0.00"), ("0.015", "0.02"), ("0.0250000001", "0.03")]
)
def test_a_total_between_two_cents_goes_to_the_even_one(exact: str, cents: str) -> None:
    assert to_cents(Decimal(exact)) == Decimal(cents)
    assert share_out({"only": Decimal(exact)}) == {"only": Decimal(cents)}
    assert Decimal(exact).quantize(CENT, ROUND_HALF_EVEN) == Decimal(cents)
