"""Repeated requests: one row per token, method, path and key.

The row is the first thing written in the transaction of the request's effect.  A second request
with the same key waits for that transaction, then finds the row and is answered from it; if the
first was refused, its row was rolled back, and the second is decided anew.

A request that started an operation is answered with that operation as it is now; any other with
the first response, which is stored for that.
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
    """A request and its key; ``body`` is canonical, so white space does not matter."""

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
    """The result of the first request: its operation, or else its response."""

    operation_id: UUID | None = None
    answer: Document | None = None


async def reserve(session: AsyncSession, request: KeyedRequest) -> Before | None:
    """Take the key for this request, or return the result of the first.

    Raise ``IdempotencyKeyReused`` if that one had another body.
    """
    take = insert(Keys).values(
        tenant_id=request.caller.tenant_id,
        token_id=request.caller.token_id,
        method=request.method,
        path=request.path,
        key=request.key,
        request_digest=request.digest,
    )
    # Inserting waits for another transaction with the same key; a SELECT first would not see it.
    taken = await session.execute(take.on_conflict_do_nothing().returning(Keys.key))
    if taken.first() is not None:
        return None
    found = (await session.scalars(sa.select(Keys).where(request.row()))).one()
    if found.request_digest != request.digest:
        raise IdempotencyKeyReused("This Idempotency-Key was used for a different request.")
    return Before(found.operation_id, found.answer)


async def recall(session: AsyncSession, request: KeyedRequest) -> Before | None:
    """Return the result of the same request before, without taking the key."""
    found = await session.scalar(sa.select(Keys).where(request.row()))
    if found is None or found.request_digest != request.digest:
        return None
    return Before(found.operation_id, found.answer)


async def remember(session: AsyncSession, request: KeyedRequest, now: Before) -> None:
    """Store the result of the request."""
    note = sa.update(Keys).where(request.row())
    await session.execute(note.values(operation_id=now.operation_id, answer=now.answer))
