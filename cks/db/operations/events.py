"""Events of operations: written with every change, read in order by followers.

``record`` is the only writer.  It derives progress from the steps, writes the operation and its
steps, appends a snapshot to ``operation_events`` and announces it, all in one statement of the
caller's transaction, which holds the operation's row; so an operation's ``seq`` has no gaps and
its progress never falls.

Over operations, ids commit out of order.  A reader of all goes by ``(xid, id)`` and stops
below the oldest transaction still running, so that nothing which commits late is skipped.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.operations.rows import save
from cks.db.session import driver
from cks.domain.access.permissions import Visibility
from cks.domain.operations.lifecycle import (
    LIVE,
    OperationRef,
    OperationSnapshot,
    progress_of,
)
from cks.domain.operations.snapshots import snapshot_of
from cks.domain.operations.state import OperationState

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
class PlacedEvent:
    """An event: whose, where in the order it stands, and what was so."""

    operation_id: UUID
    position: Position
    snapshot: OperationSnapshot


async def record(session: AsyncSession, operation: OperationState) -> None:
    """Write down how the operation now stands, and tell its followers at commit.

    Progress rises while the operation goes forward and rests on the way back.
    """
    if operation.status in LIVE and operation.ending is None:
        derived = progress_of((step.weight, step.fraction) for step in operation.steps)
        operation.progress = max(operation.progress, derived)
    event = json.dumps(snapshot_of(operation))
    await save(driver(session), operation, event, CHANNEL)


def payload_of(ref: OperationRef, seq: int) -> str:
    """Return what is announced of an event: whose, and which."""
    payload = {"tenant_id": str(ref.tenant_id), "operation_id": str(ref.id), "seq": seq}
    return json.dumps(payload)


async def events_of(
    session: AsyncSession, operation_id: UUID, after: int, limit: int = MOST
) -> Sequence[tuple[int, OperationSnapshot]]:
    """Return ``(seq, snapshot)`` of an operation's events after ``after``, in order.

    A position beyond all of them is from before a restore of the database: it means the last.
    """
    names = {"operation": operation_id, "after": after, "limit": limit}
    return [(row.seq, row.event) for row in await session.execute(OF_ONE, names)]


async def last_snapshots(
    session: AsyncSession, operations: Collection[UUID]
) -> dict[UUID, OperationSnapshot]:
    """Return how operations stand: what each told last."""
    rows = await session.execute(LAST, {"operations": list(operations)})
    return {row.operation_id: row.event for row in rows}


async def events_of_all(
    session: AsyncSession, visibility: Visibility, after: Position, limit: int = MOST
) -> Sequence[PlacedEvent]:
    """Return what somebody sees after a position; what may still be overtaken waits."""
    names = {"xid": str(after.xid), "id": after.id, "limit": limit}
    whose = {
        "user": visibility.user_id,
        "token": visibility.token_id,
        "permission": visibility.permission,
    }
    query = EVERY if visibility.everything else SEEN.bindparams(**whose)
    rows = await session.execute(query, names)
    return [PlacedEvent(r.operation_id, Position(int(r.transaction), r.id), r.event) for r in rows]


async def any_held_back(session: AsyncSession) -> bool:
    """Say whether events are there that an older transaction still keeps out of sight."""
    return bool(await session.scalar(HELD_BACK))


async def horizon(session: AsyncSession) -> Position:
    """Return the position from which on nothing has been shown to anybody yet."""
    return Position(int(await session.scalar(HORIZON) or 0), 0)
