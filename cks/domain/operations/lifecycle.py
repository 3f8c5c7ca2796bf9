"""The life of an operation, and who may move it.

An operation goes forward until it completes or *turns back*.  Turning back is written to
the row (``ending``: what it will have been) before anything is undone, and is final.  A run
keeps its position in its own history, and a reset hands that position to a new run; only
the row knows that the old run had begun to undo.

Progress is derived from the plan's weights, never typed in: 99 while anything is left to
do, 100 if and only if the operation completed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypedDict
from uuid import UUID

from cks.domain.refusals import NotCancellable, Superseded, TooLate, TurnedBack


class OperationStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


LIVE = (OperationStatus.PENDING, OperationStatus.RUNNING)
TERMINAL = (OperationStatus.COMPLETED, OperationStatus.FAILED, OperationStatus.CANCELLED)


class StepStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    UNDONE = "undone"


class Ending(StrEnum):
    """The terminal statuses that lie on the way back."""

    FAILED = "failed"
    CANCELLED = "cancelled"


class Heading(StrEnum):
    FORWARD = "forward"
    BACK = "back"


class Phase(StrEnum):
    """Where an operation is, in a tenant's words."""

    WAITING = "waiting"
    FORWARD = "forward"
    COMPENSATING = "compensating"
    HELD = "held"
    DONE = "done"


Culprit = Literal["user", "provider", "internal"]
CancelEffect = Literal["rolls_back", "stops_at_boundary", "none"]


@dataclass(frozen=True, slots=True)
class OperationRef:
    tenant_id: UUID
    id: UUID


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an operation turns back, and the status in which it will end.

    ``fault`` says whose it is; ``retryable``, whether the same request may succeed later.
    """

    ending: Ending
    code: str
    message: str
    fault: Culprit = "internal"
    retryable: bool = True


CANCELLED = Reason(Ending.CANCELLED, "cancelled", "Cancelled on request.", "user")


def workflow_id(kind: str, operation_id: UUID) -> str:
    """Return the id of every run that works on the operation, one after the other."""
    return f"{kind}/{operation_id}"


def check_live(status: OperationStatus) -> None:
    """Raise ``Superseded`` if nobody may move the operation any more."""
    if status not in LIVE:
        raise Superseded(f"the operation is {status}")


def check_heading(heading: Heading, ending: Ending | None) -> None:
    """Raise ``TurnedBack`` if a step forward meets an operation being undone."""
    if heading is Heading.FORWARD and ending is not None:
        raise TurnedBack(f"the operation is being undone and will be {ending}")


def check_done(heading: Heading, steps: Iterable[StepStatus]) -> None:
    """Raise if an operation would complete with a step of its plan undone: that is a bug."""
    if heading is Heading.FORWARD and set(steps) - {StepStatus.COMPLETED}:
        raise AssertionError("an operation is to complete before its steps")


def check_cancel(status: OperationStatus, effect: CancelEffect) -> None:
    """Raise ``TooLate`` unless there is something to cancel, or it was cancelled before.

    ``NotCancellable`` is raised for what only goes forward.
    """
    if status in (OperationStatus.COMPLETED, OperationStatus.FAILED):
        raise TooLate(f"The operation has already {status}.", members={"operation_status": status})
    if effect == "none" and status in LIVE:
        raise NotCancellable("An operation of this type cannot be cancelled.")


def phase_of(status: OperationStatus, ending: Ending | None, *, held: bool = False) -> Phase:
    """Say where an operation is: the tenant's word for status and direction."""
    if status not in LIVE:
        return Phase.HELD if held else Phase.DONE
    if ending is not None:
        return Phase.COMPENSATING
    return Phase.WAITING if status is OperationStatus.PENDING else Phase.FORWARD


def progress_of(steps: Iterable[tuple[int, float]]) -> int:
    """Return 0 to 99 from ``(weight, fraction done)`` of each step.

    The last percent belongs to settling: 100 means completed, and nothing else.
    """
    shares = [(weight, weight * fraction) for weight, fraction in steps]
    total = sum(weight for weight, _ in shares)
    return int(99 * sum(done for _, done in shares) / total) if total else 0


class StepSnapshot(TypedDict):
    """A step as a tenant sees it at one moment; times are RFC 3339, UTC."""

    name: str
    title: str
    status: str
    weight: int
    attempt: int
    started_at: str | None
    completed_at: str | None
    last_error: str | None


class ErrorSnapshot(TypedDict):
    code: str
    message: str
    fault: Culprit
    retryable: bool
    details: dict[str, object]


class CancelSnapshot(TypedDict):
    """Whether a cancel would do anything now, what, and until which step."""

    possible: bool
    effect: CancelEffect
    until_step: str | None
    reason: str | None


class OrphanSnapshot(TypedDict):
    """What an operation had to leave: ``kind`` is network, control_plane or node_pool."""

    kind: str
    id: str
    name: str | None
    since: str


class OperationSnapshot(TypedDict):
    """All of an operation that changes in its life, as it was at one moment.

    This is what an event stores, free of personal data; what never changes is read from
    the row beside it.
    """

    status: str
    done: bool
    progress: int
    phase: str
    expected_seconds: int
    status_reason: str | None
    steps: list[StepSnapshot]
    cancel: CancelSnapshot
    started_at: str | None
    completed_at: str | None
    cancel_requested_at: str | None
    deadline_at: str | None
    held_until: str | None
    orphans: list[OrphanSnapshot]
    error: ErrorSnapshot | None


def cancel_snapshot(
    effect: CancelEffect, status: OperationStatus, ending: Ending | None, last_step: str | None
) -> CancelSnapshot:
    """Say what a cancel would do to an operation in this state; ``effect`` is its type's."""
    if status not in LIVE:
        return _no_cancel(f"The operation has already ended: {status}.")
    if ending is not None:
        return _no_cancel("The operation is already being undone.")
    if effect == "none":
        return _no_cancel("An operation of this type cannot be cancelled.")
    return CancelSnapshot(possible=True, effect=effect, until_step=last_step, reason=None)


def _no_cancel(reason: str) -> CancelSnapshot:
    return CancelSnapshot(possible=False, effect="none", until_step=None, reason=reason)
