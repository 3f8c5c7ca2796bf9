"""Instants as text, and the zones in which people count them."""

from datetime import UTC, datetime
from functools import cache
from zoneinfo import available_timezones

MACHINES_OWN = {"Factory", "localtime"}
"""Files of the zone database that depend on the machine's location."""


def rfc3339(at: datetime) -> str:
    """Write an aware instant as RFC 3339 in UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def rfc3339_or_none(at: datetime | None) -> str | None:
    return rfc3339(at) if at else None


@cache
def zones() -> frozenset[str]:
    """Return the names of all IANA time zones; the files are read once."""
    return frozenset(available_timezones()) - MACHINES_OWN
