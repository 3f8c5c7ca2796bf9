"""How long old records are kept."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Retention:
    """``events``: what an operation told on its way, counted from its end.

    ``keys``: an idempotency key, from its request; clients rely on 24 hours.  ``sessions``: one
    that was revoked or has expired, from then on.
    """

    events: timedelta
    keys: timedelta
    sessions: timedelta


@dataclass(frozen=True, slots=True)
class ExpiryOrder:
    """Expire the records of so many ``tenants``, those whose ids follow ``after``."""

    after: UUID = FIRST
    tenants: int = 200
