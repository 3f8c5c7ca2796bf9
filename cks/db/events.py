"""What operations told: written with every change of one, read in order by its followers.

``record`` is the only writer.  It derives progress from the steps, writes the operation and its
steps, appends the moment to ``operation_events`` and announces it, all in one statement of the
caller's transaction, which holds the operation's row; so an operation's ``seq`` has no gaps and
its progress never falls.

Over operations, ids commit out of order.  A reader of all goes by ``(xid, id)`` and stops
below the oldest transaction still running, so that nothing which commits late is skipped.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.session import driver
from cks.db.states import OperationState, StepState, save
from cks.db.steps import orphans_among
from cks.domain.access import Sight
from cks.domain.instants import rfc3339, rfc3339_or_none
from cks.domain.operations import (
    LIVE,
    ErrorMoment,
    Moment,
    OperationRef,
    OperationStatus,
    OrphanMoment,
    Phase,
    StepMoment,
    StepStatus,
    cancel_moment,
    phase_of,
    progress_of,
)
from cks.domain.plans import PlannedStep, made_by

CHANNEL = "operation_events"
MOST = 200
"""Events that one look returns at most."""

OF_ONE = sa.text("""
SELECT seq, event FROM operation_events
 WHERE operation_id = :operation AND seq > (
       SELECT CASE WHEN :after > max(seq) THEN max(seq) - 1 ELSE :after END
         FROM operation_events WHERE operation_id = :operation)
 ORDER BY seq LIMIT :limit
""")
LAST = sa.text("""
SELECT DISTINCT ON (operation_id) operation_id, event FROM operation_events
 WHERE operation_id = ANY (:operations) ORDER BY operation_id, seq DESC
""")
OF_ALL = """
SELECT xid::text AS transaction, id, operation_id, event FROM operation_events
 WHERE (xid, id) > (CAST(CAST(:xid AS text) AS xid8), CAST(:id AS bigint))
   AND xid < pg_snapshot_xmin(pg_current_snapshot()) {seen}
 ORDER BY xid, id LIMIT :limit
"""
EVERY = sa.text(OF_ALL.format(seen=""))
SEEN = sa.text(
    OF_ALL.format(
        seen="AND operation_id IN (SELECT * FROM seen_operations(:user, :token, :permission))"
    )
)
HELD_BACK = sa.text("""
SELECT EXISTS (SELECT FROM operation_events
                WHERE xid >= pg_snapshot_xmin(pg_current_snapshot()))
""")
HORIZON = sa.text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the order of all events of a tenant."""

    xid: int
    id: int


@dataclass(frozen=True, slots=True)
class Told:
    """An event: whose, where in the order it stands, and what was so."""

    operation_id: UUID
    position: Position
    moment: Moment


def moment_of(operation: OperationState) -> Moment:
    """Say how an operation stands, without a word about persons."""
    steps = operation.steps
    last = steps[-1].name if steps else None
    return Moment(
        status=operation.status,
        done=operation.status not in LIVE,
        progress=operation.progress,
        phase=phase_of(operation.status, operation.ending),
        status_reason=_reason(operation),
        steps=[_step_moment(step) for step in steps],
        cancel=cancel_moment(operation.status, operation.ending, last),
        started_at=rfc3339(operation.started_at) if _was_taken(operation) else None,
        completed_at=rfc3339_or_none(operation.completed_at),
        cancel_requested_at=rfc3339_or_none(operation.cancel_requested_at),
        deadline_at=rfc3339_or_none(operation.deadline_at),
        orphans=_orphan_moments(operation),
        error=_error(operation),
    )


def first_moment(steps: Sequence[PlannedStep], deadline_at: datetime | None) -> Moment:
    """Say how an operation stands that has just been accepted, with all its steps before it."""
    last = steps[-1].name if steps else None
    return Moment(
        status=OperationStatus.PENDING,
        done=False,
        progress=0,
        phase=Phase.WAITING,
        status_reason=None,
        steps=[_first_step(step) for step in steps],
        cancel=cancel_moment(OperationStatus.PENDING, None, last),
        started_at=None,
        completed_at=None,
        cancel_requested_at=None,
        deadline_at=rfc3339_or_none(deadline_at),
        orphans=[],
        error=None,
    )


def _first_step(step: PlannedStep) -> StepMoment:
    return StepMoment(
        name=step.name,
        title=step.title,
        status=StepStatus.PENDING,
        weight=step.expected_seconds,
        attempt=0,
        started_at=None,
        completed_at=None,
        last_error=None,
    )


def _was_taken(operation: OperationState) -> bool:
    """Say whether it ever began; until then ``started_at`` holds the acceptance."""
    done = operation.status is OperationStatus.COMPLETED
    return done or operation.started_at > operation.created_at


def _reason(operation: OperationState) -> str | None:
    return operation.error if operation.ending is not None else None


def _error(operation: OperationState) -> ErrorMoment | None:
    """Return the error of a failed operation; one being undone has a reason, no error yet."""
    if operation.status != "failed" or operation.failure is None:
        return None
    message = operation.error or ""
    return cast(ErrorMoment, {"message": message, **operation.failure})


def _step_moment(step: StepState) -> StepMoment:
    return StepMoment(
        name=step.name,
        title=step.title,
        status=step.status,
        weight=step.weight,
        attempt=step.attempt,
        started_at=rfc3339_or_none(step.started_at),
        completed_at=rfc3339_or_none(step.completed_at),
        last_error=step.last_error,
    )


def _orphan_moments(operation: OperationState) -> list[OrphanMoment]:
    return [
        OrphanMoment(
            kind=made[0],
            id=str(step.resource_id or operation.cluster_id),
            name=made[1] or operation.resource_name,
            since=rfc3339(step.orphaned_at),
        )
        for step in orphans_among(operation.steps)
        if step.orphaned_at and (made := made_by(step.name))
    ]


async def record(session: AsyncSession, operation: OperationState) -> None:
    """Write down how the operation now stands, and tell its followers at commit.

    Progress rises while the operation goes forward and rests on the way back.
    """
    if operation.status in LIVE and operation.ending is None:
        derived = progress_of((step.weight, step.fraction) for step in operation.steps)
        operation.progress = max(operation.progress, derived)
    event = json.dumps(moment_of(operation))
    await save(driver(session), operation, event, CHANNEL)


def payload_of(ref: OperationRef, seq: int) -> str:
    """Return what is announced of an event: whose, and which."""
    told = {"tenant_id": str(ref.tenant_id), "operation_id": str(ref.id), "seq": seq}
    return json.dumps(told)


async def events_of(
    session: AsyncSession, operation_id: UUID, after: int, limit: int = MOST
) -> Sequence[tuple[int, Moment]]:
    """Return ``(seq, moment)`` of an operation's events after ``after``, in order.

    A place that is beyond all of them is of a database that was set back: it means the last one.
    """
    names = {"operation": operation_id, "after": after, "limit": limit}
    return [(row.seq, row.event) for row in await session.execute(OF_ONE, names)]


async def last_moments(session: AsyncSession, operations: Collection[UUID]) -> dict[UUID, Moment]:
    """Return how operations stand: what each told last."""
    rows = await session.execute(LAST, {"operations": list(operations)})
    return {row.operation_id: row.event for row in rows}


async def events_of_all(
    session: AsyncSession, sight: Sight, after: Position, limit: int = MOST
) -> Sequence[Told]:
    """Return what somebody sees after a position; what may still be overtaken waits."""
    names = {"xid": str(after.xid), "id": after.id, "limit": limit}
    whose = {"user": sight.user_id, "token": sight.token_id, "permission": sight.permission}
    query = EVERY if sight.everything else SEEN.bindparams(**whose)
    rows = await session.execute(query, names)
    return [Told(r.operation_id, Position(int(r.transaction), r.id), r.event) for r in rows]


async def any_held_back(session: AsyncSession) -> bool:
    """Say whether events are there that an older transaction still keeps out of sight."""
    return bool(await session.scalar(HELD_BACK))


async def horizon(session: AsyncSession) -> Position:
    """Return the position from which on nothing has been shown to anybody yet."""
    return Position(int(await session.scalar(HORIZON) or 0), 0)
