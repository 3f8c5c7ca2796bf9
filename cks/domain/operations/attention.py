"""When a live operation needs an operator's look, and why.

Left alone, an operation starts within a second, is tried again while its calls fail, and ends
by its deadline.  Each reason here says that one of these has not come about for longer than it
takes when all is well.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cks.domain.operations.lifecycle import LIVE, Ending, OperationStatus


class Why(StrEnum):
    """Why an operation is stuck, the gravest first."""

    DEADLINE_PASSED = "deadline_passed"
    NOT_STARTED = "not_started"
    LONG_UNDO = "long_undo"
    SILENT = "silent"
    STEP_FAILING = "step_failing"


PATIENCE = {
    Why.DEADLINE_PASSED: timedelta(0),
    Why.NOT_STARTED: timedelta(minutes=1),
    Why.LONG_UNDO: timedelta(minutes=5),
    Why.SILENT: timedelta(minutes=15),
    Why.STEP_FAILING: timedelta(minutes=1),
}
"""How long each may be so before somebody has to look."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What an operation's rows show.  ``failing_since``: of the step that fails longest."""

    status: OperationStatus
    ending: Ending | None
    runnable_at: datetime | None
    dispatched_at: datetime | None
    forward_until: datetime | None
    deadline_at: datetime | None
    updated_at: datetime
    failing_since: datetime | None


def why_stuck(signs: Signs, now: datetime) -> list[Why]:
    """Return every reason to look at the operation, the gravest first."""
    since = _since(signs) if signs.status in LIVE else {}
    return [why for why in Why if (at := since.get(why)) and now - at > PATIENCE[why]]


def _since(signs: Signs) -> dict[Why, datetime | None]:
    """Return since when each is so.

    Turning back brings ``forward_until`` to that snapshot.  A step that failed keeps its
    ``failing_since`` on the way back, where nobody calls it any more.
    """
    back = signs.ending is not None
    return {
        Why.DEADLINE_PASSED: signs.deadline_at,
        Why.NOT_STARTED: None if signs.dispatched_at else signs.runnable_at,
        Why.LONG_UNDO: signs.forward_until if back else None,
        Why.SILENT: signs.updated_at,
        Why.STEP_FAILING: None if back else signs.failing_since,
    }
