"""Queries about operations.  Each runs inside a tenant's transaction.

Whoever changes an operation has its row locked, and ends with ``events.record``.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.access.decisions import Target, operation_seen
from cks.db.models.operations import Operation
from cks.db.models.users import User
from cks.db.operations.rows import HELD, state_of
from cks.db.pages import Cut, Page, fetch
from cks.db.session import driver
from cks.domain.access.permissions import Visibility
from cks.domain.operations import moves
from cks.domain.operations.lifecycle import Reason
from cks.domain.operations.state import OperationState
from cks.domain.refusals import NotFound

HOLD = HELD.format("$1, $2, $3")
NOW = sa.select(sa.func.now())
DRAW_FENCE = """
UPDATE operations SET fence = draw_fence(), run_id = $2 WHERE id = $1 RETURNING fence
"""
NOTE_DISPATCHED = """
UPDATE operations SET dispatched_at = clock_timestamp() WHERE id = $1 AND dispatched_at IS NULL
"""


async def instant(session: AsyncSession) -> datetime:
    """Return the database's clock, as of this transaction's begin."""
    at: datetime = (await session.execute(NOW)).scalar_one()
    return at


async def read(session: AsyncSession, operation_id: UUID) -> OperationState:
    """Return an operation, or raise ``NotFound``."""
    return _found(await _hold(session, operation_id, "look"))


async def lock(session: AsyncSession, operation_id: UUID) -> OperationState:
    """Return an operation that nobody else can move before this transaction ends."""
    return _found(await _hold(session, operation_id, "wait"))


async def lock_if_free(session: AsyncSession, operation_id: UUID) -> OperationState | None:
    """Return an operation that is now locked; ``None`` if somebody else has it locked."""
    row = await _hold(session, operation_id, "skip")
    return state_of(row) if row else None


async def _hold(session: AsyncSession, operation_id: UUID, how: str) -> asyncpg.Record | None:
    return await driver(session).fetchrow(HOLD, None, operation_id, how)


def _found(row: asyncpg.Record | None) -> OperationState:
    if row is None:
        raise NotFound(Target.OPERATION.lost)
    return state_of(row)


async def emails_of(session: AsyncSession, users: set[UUID | None]) -> dict[UUID, str]:
    """Return the addresses of users who still exist."""
    rows = await session.execute(sa.select(User.id, User.email).where(User.id.in_(users)))
    return {row.id: row.email for row in rows}


async def draw_fence(session: AsyncSession, operation: OperationState) -> None:
    """Draw a new fence: the provider refuses calls under an older one.

    One sequence serves every operation, so that a late call of this one is refused also
    after the next one on the same cluster.  It follows the clock, so that a database that was
    set back outranks what was drawn since (``0014_fences.sql``).  The fence, and whose it is,
    are written at once.
    """
    # Written now, not with the next record: a call may use it before that.
    params = (operation.id, operation.run_id)
    operation.fence = await driver(session).fetchval(DRAW_FENCE, *params)


async def turn_back(session: AsyncSession, operation: OperationState, reason: Reason) -> None:
    """Give up the way forward, once: the first reason stays.

    The fence is drawn anew, since *this* run's own forward calls may be late too: an attempt
    that timed out is nobody's, yet its request can arrive after the undo.
    """
    if operation.ending is None:
        moves.turn_back(operation, reason)
        await draw_fence(session, operation)


async def note_dispatched(session: AsyncSession, operation_id: UUID) -> None:
    """Note that a run was started for an operation, once."""
    await driver(session).execute(NOTE_DISPATCHED, operation_id)


@dataclass(frozen=True, slots=True)
class OperationFilter:
    """Which operations a list shows; what is empty or ``None`` does not matter."""

    status: tuple[str, ...] = ()
    type: str | None = None
    resource_type: str | None = None
    resource_id: UUID | None = None
    cluster_id: UUID | None = None
    created_by: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


async def list_page(
    session: AsyncSession, visibility: Visibility, wanted: OperationFilter, cut: Cut
) -> Page[Operation]:
    """Return a page of the operations that somebody sees, newest first."""
    equal = {
        Operation.type: wanted.type,
        Operation.resource_type: wanted.resource_type,
        Operation.resource_id: wanted.resource_id,
        Operation.cluster_id: wanted.cluster_id,
        Operation.actor_id: wanted.created_by,
    }
    query = sa.select(Operation).where(operation_seen(visibility))
    for column, value in equal.items():
        query = query if value is None else query.where(column == value)
    if wanted.status:
        query = query.where(Operation.status.in_(wanted.status))
    if wanted.created_after:
        query = query.where(Operation.created_at > wanted.created_after)
    if wanted.created_before:
        query = query.where(Operation.created_at < wanted.created_before)
    return await fetch(session, query, Operation.id, cut)


async def read_many(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Operation]:
    """Return those of the operations that there are."""
    rows = await session.scalars(sa.select(Operation).where(Operation.id.in_(ids)))
    return {row.id: row for row in rows}
