"""Instants as text."""

from datetime import UTC, datetime


def rfc3339(at: datetime) -> str:
    """Write an aware instant as RFC 3339 in UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def rfc3339_or_none(at: datetime | None) -> str | None:
    return rfc3339(at) if at else None
