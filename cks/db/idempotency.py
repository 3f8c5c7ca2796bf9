"""Requests that come more than once: one row per token, method, path and key.

The row is written first in the transaction of the request's effect.  A second request with
the same key waits for that transaction, then finds the row and is answered from it; if the
first was refused, its row is gone with it, and the second is decided anew.

A request that started an operation is answered with that operation as it is now; any other
with the answer that was given, which is kept for that.
"""

import hashlib
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.models.base import Document
from cks.db.models.operations import IdempotencyKey
from cks.domain.access.permissions import Caller
from cks.domain.refusals import IdempotencyKeyReused

Keys = IdempotencyKey


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request and its key; ``body`` is canonical, so that white space does not matter."""

    caller: Caller
    method: str
    path: str
    key: str
    body: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    def row(self) -> sa.ColumnElement[bool]:
        return sa.and_(
            Keys.token_id == self.caller.token_id,
            Keys.method == self.method,
            Keys.path == self.path,
            Keys.key == self.key,
        )


@dataclass(frozen=True, slots=True)
class Before:
    """What came of a request the first time: its operation, or else its answer."""

    operation_id: UUID | None = None
    answer: Document | None = None


async def reserve(session: AsyncSession, request: KeyedRequest) -> Before | None:
    """Take the key for this request, or return what came of it before.

    Raise ``IdempotencyKeyReused`` if it came with another body.
    """
    take = insert(Keys).values(
        tenant_id=request.caller.tenant_id,
        token_id=request.caller.token_id,
        method=request.method,
        path=request.path,
        key=request.key,
        request_digest=request.digest,
    )
    taken = await session.execute(take.on_conflict_do_nothing().returning(Keys.key))
    if taken.first() is not None:
        return None
    found = (await session.scalars(sa.select(Keys).where(request.row()))).one()
    if found.request_digest != request.digest:
        raise IdempotencyKeyReused("This Idempotency-Key was used for a different request.")
    return Before(found.operation_id, found.answer)


async def recall(session: AsyncSession, request: KeyedRequest) -> Before | None:
    """Return what came of this very request before, without taking the key."""
    found = await session.scalar(sa.select(Keys).where(request.row()))
    if found is None or found.request_digest != request.digest:
        return None
    return Before(found.operation_id, found.answer)


async def remember(session: AsyncSession, request: KeyedRequest, now: Before) -> None:
    """Note what came of the request."""
    note = sa.update(Keys).where(request.row())
    await session.execute(note.values(operation_id=now.operation_id, answer=now.answer))
