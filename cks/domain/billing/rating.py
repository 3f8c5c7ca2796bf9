"""What was used, at which price, and what it costs.

Time is counted in whole seconds, and only at the end are cents made.  A cost is
``seconds x quantity x price / 3600``, and 3600 divides few numbers: so what is kept to 18
places is the cost *since the piece began*, and a part of it is the difference of two such.
Therefore the parts of any partition of time add up to the whole, to the last place.

Cents are shared out once, over all lines together, by largest remainder (Hamilton's method):
the total is the rounded sum of what is exact, and the lines add up to it whatever their order.
A total exactly between two cents goes to the even one, in nobody's favour (IEEE 754).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import Literal, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from cks.domain.refusals import NoPrice

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = 3600
CENT = Decimal("0.01")
EXACT = Decimal("1E-18")
USED = Decimal("1E-9")
PRECISE = Context(prec=60, rounding=ROUND_HALF_EVEN)

Cycle = Literal["month", "day"]


@dataclass(frozen=True, slots=True)
class Segment:
    """Usage: ``quantity`` units of a SKU, from one instant to another (``None``: still running)."""

    resource_id: UUID
    resource_type: str
    sku: str
    quantity: Decimal
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Price:
    """What a unit costs per hour, from one instant to another (``None``: open-ended)."""

    sku: str
    unit_price: Decimal
    valid_from: datetime
    valid_to: datetime | None


@dataclass(frozen=True, slots=True)
class Line:
    """One resource at one price.  ``quantity`` in unit-hours, to 9 places.

    ``cost_exact`` has 18 places, ``cost`` is in whole cents and less than one away from it.
    """

    resource_id: UUID
    resource_type: str
    sku: str
    unit_price: Decimal
    quantity: Decimal
    cost_exact: Decimal
    cost: Decimal
    usage_start: datetime
    usage_end: datetime


Key = tuple[str, str, str, Decimal]
"""What identifies and sorts a line: resource type, resource, SKU, price."""
Share = TypeVar("Share")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a segment at one price; seconds are counted from where that price met it."""

    segment: Segment
    price: Price
    origin: int
    first: int
    last: int

    @property
    def key(self) -> Key:
        of = self.segment
        return (of.resource_type, str(of.resource_id), of.sku, self.price.unit_price)

    @property
    def quantity(self) -> Decimal:
        return self._since_origin(Decimal(1), USED)

    @property
    def cost_exact(self) -> Decimal:
        return self._since_origin(self.price.unit_price, EXACT)

    def _since_origin(self, factor: Decimal, places: Decimal) -> Decimal:
        per_hour = PRECISE.multiply(self.segment.quantity, factor)

        def until(second: int) -> Decimal:
            whole = PRECISE.multiply(per_hour, Decimal(second - self.origin))
            return PRECISE.quantize(PRECISE.divide(whole, Decimal(HOUR)), places)

        return PRECISE.subtract(until(self.last), until(self.first))


def rate(
    segments: Sequence[Segment], prices: Sequence[Price], start: datetime, end: datetime
) -> tuple[Line, ...]:
    """Return what was used from ``start`` up to ``end`` and its cost, a line a resource and price.

    All instants are aware; those within a second count as its beginning.  The prices of a SKU
    do not overlap.  Raise ``NoPrice`` for a moment at which something ran without a price.
    """
    offered = defaultdict[str, list[Price]](list)
    for price in prices:
        offered[price.sku].append(price)
    pieces = defaultdict[Key, list[Piece]](list)
    for segment in segments:
        for piece in _pieces(segment, offered[segment.sku], _second(start), _second(end)):
            pieces[piece.key].append(piece)
    exact = {key: _sum(piece.cost_exact for piece in pieces[key]) for key in sorted(pieces)}
    cents = share_out(exact)
    return tuple(_line(pieces[key], exact[key], cents[key]) for key in exact)


def _pieces(segment: Segment, prices: Sequence[Price], start: int, end: int) -> Iterator[Piece]:
    """Yield the parts of a segment within a window, one a price; none is left out."""
    began = _second(segment.started_at)
    first = max(began, start)
    last = min(_second(segment.ended_at, end), end)
    priced = first
    for price in sorted(prices, key=lambda one: one.valid_from):
        valid_from, valid_to = _second(price.valid_from), _second(price.valid_to, last)
        piece = Piece(
            segment, price, max(began, valid_from), max(first, valid_from), min(last, valid_to)
        )
        if piece.first < piece.last:
            _check_priced(segment.sku, priced, piece.first)
            yield piece
            priced = piece.last
    _check_priced(segment.sku, priced, last)


def _check_priced(sku: str, until: int, needed: int) -> None:
    if until < needed:
        at = EPOCH + timedelta(seconds=until)
        raise NoPrice(f"There is no price for {sku} at {at.isoformat()}.", members={"sku": sku})


def _line(pieces: Sequence[Piece], exact: Decimal, cost: Decimal) -> Line:
    segment, price = pieces[0].segment, pieces[0].price
    return Line(
        resource_id=segment.resource_id,
        resource_type=segment.resource_type,
        sku=segment.sku,
        unit_price=price.unit_price,
        quantity=_sum(piece.quantity for piece in pieces),
        cost_exact=exact,
        cost=cost,
        usage_start=EPOCH + timedelta(seconds=min(piece.first for piece in pieces)),
        usage_end=EPOCH + timedelta(seconds=max(piece.last for piece in pieces)),
    )


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for amount in amounts:
        total = PRECISE.add(total, amount)
    return total


def _second(at: datetime | None, otherwise: int = 0) -> int:
    """Return an instant in whole seconds since 1970."""
    return otherwise if at is None else (at - EPOCH) // timedelta(seconds=1)


def share_out(exact: Mapping[Share, Decimal]) -> dict[Share, Decimal]:
    """Return whole cents for each exact amount, which add up to the rounded sum of all.

    Each gets its whole cents; the cents still missing go to the largest remainders, and among
    equal ones to those that come first.
    """
    floors = {one: amount.quantize(CENT, ROUND_FLOOR, PRECISE) for one, amount in exact.items()}
    total = to_cents(_sum(exact.values()))
    missing = int(PRECISE.divide(PRECISE.subtract(total, _sum(floors.values())), CENT))
    by_remainder = sorted(exact, key=lambda one: PRECISE.subtract(floors[one], exact[one]))
    more = set(by_remainder[:missing])
    return {one: PRECISE.add(floor, CENT * (one in more)) for one, floor in floors.items()}


def to_cents(amount: Decimal) -> Decimal:
    """Round to whole cents; a tie goes to the even one."""
    return PRECISE.quantize(amount, CENT)


def period_instants(
    start_date: date, timezone: str, cycle: Cycle = "month"
) -> tuple[datetime, datetime]:
    """Return the first instant of a period that begins on a day, and the first after it.

    A ``month`` ends with its calendar month, whatever day it began on.  Days are those of the
    zone (an IANA name): where clocks change they have 23, 24.5 or 25 hours, and where midnight
    is skipped a day begins when the clocks go on (RFC 5545's reading of such times).
    """
    zone = ZoneInfo(timezone)
    end_date = _next_month(start_date) if cycle == "month" else start_date + timedelta(days=1)
    return _midnight(start_date, zone), _midnight(end_date, zone)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
