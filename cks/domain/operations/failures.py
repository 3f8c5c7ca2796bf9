"""Why an operation failed: stable codes, whose fault it was, and whether to try again.

The message names the step in the tenant's words; what the machinery said goes to Temporal's
history and the logs.
"""

from cks.domain.operations.lifecycle import Culprit, Ending, Reason

PROVIDER_UNAVAILABLE = "provider_unavailable"
NO_CAPACITY = "no_capacity"
PROVIDER_QUOTA = "provider_quota_exceeded"
STEP_TIMED_OUT = "step_timed_out"
INTERNAL = "internal"
ENGINE_LOST = "engine_lost"
DEADLINE_EXCEEDED = "deadline_exceeded"
PERMISSION_LOST = "permission_lost"
LEFT_BEHIND = "left_behind"
"""No reason to fail: an undo that has no more time."""

FAILURES: dict[str, tuple[Culprit, str]] = {
    PROVIDER_UNAVAILABLE: ("provider", "The infrastructure provider failed repeatedly"),
    NO_CAPACITY: ("provider", "The infrastructure provider has no capacity left"),
    PROVIDER_QUOTA: ("provider", "Our quota at the infrastructure provider is exhausted"),
    STEP_TIMED_OUT: ("provider", "The infrastructure provider took too long"),
    INTERNAL: ("internal", "An internal error occurred"),
    ENGINE_LOST: ("internal", "The operation was interrupted"),
    PERMISSION_LOST: ("user", "The user who requested it lost the permission before it began"),
    DEADLINE_EXCEEDED: ("internal", "The operation exceeded its time limit"),
}
"""Code → whose fault it is, and what a tenant reads.  Each may succeed when tried again."""


def failed_at(code: str | None, title: str | None) -> Reason:
    """Return the reason of a failure in the step of that title; unknown codes are ours."""
    known = code if code in FAILURES else INTERNAL
    fault, sentence = FAILURES[known]
    where = f" in the step “{title}”" if title else ""
    return Reason(Ending.FAILED, known, f"{sentence}{where}.", fault)


def said_at_the_end(reason: str, *, orphans: bool, changed: bool = False) -> str:
    """Return what a tenant reads of an operation that came back, and what became of it all.

    ``changed``: what it changed could not be brought back to what it was before.
    """
    if changed:
        return f"{reason} The previous values may not be restored; see the resource's conditions."
    if orphans:
        return f"{reason} What could not be removed in time will be removed later; see `orphans`."
    return f"{reason} Its changes have been undone."
