"""How long an operation may take in all, and when its undo gives up.

It has its plan's limits, one after the other, to go forward, and then some time to be undone.
Whatever is not undone by its deadline is named (``orphans``) and removed later: a leak costs
more than a wait, but no tenant waits for ever.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

HAND_OVER_EARLY = timedelta(seconds=30)
SETTLE_EARLY = timedelta(seconds=15)
"""How long before the deadline the undo gives up, and the deadline keeper settles."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Until when an operation goes forward, and by when it has ended."""

    forward_until: datetime
    deadline_at: datetime

    @property
    def handover_at(self) -> datetime:
        """Return when the undo gives up: early enough for the end to be recorded in time."""
        return self.deadline_at - min(self._undo / 4, HAND_OVER_EARLY)

    @property
    def end_at(self) -> datetime:
        """Return when the operation is ended as it stands, if its run has not done so."""
        return self.deadline_at - min(self._undo / 8, SETTLE_EARLY)

    @property
    def _undo(self) -> timedelta:
        return self.deadline_at - self.forward_until

    def turned_back(self, now: datetime) -> "Deadlines":
        """Return the deadlines of one that turns back now: the end only comes nearer."""
        return Deadlines(min(self.forward_until, now), min(self.deadline_at, now + self._undo))


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an operation may take: its plan's limits at the provider's ``pace``, and the undo."""

    provider_speed: float
    undo_seconds: float

    def from_now(self, limit_seconds: int, now: datetime) -> Deadlines:
        """Return the deadlines of one that may begin now, and go forward for so long."""
        forward = now + timedelta(seconds=limit_seconds / self.provider_speed)
        return Deadlines(forward, forward + timedelta(seconds=self.undo_seconds))
