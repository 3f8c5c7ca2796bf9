"""Pages of a list: newest first, by id, which contains its creation time (UUIDv7, RFC 9562).

A page continues below the last id of the previous one, so rows inserted meanwhile shift nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Cut:
    """Which part of a list is requested: at most ``size`` rows below the id ``after``."""

    size: int
    after: UUID | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows, and where the next page continues; ``None`` if there is none."""

    rows: Sequence[Row]
    next_after: UUID | None


async def fetch(
    session: AsyncSession, query: sa.Select[Row], key: InstrumentedAttribute[UUID], cut: Cut
) -> Page[Row]:
    """Run a query for one page, with one more row to know whether another page follows."""
    if cut.after is not None:
        query = query.where(key < cut.after)
    found = (await session.scalars(query.order_by(key.desc()).limit(cut.size + 1))).all()
    rows = found[: cut.size]
    more = len(found) > cut.size
    return Page(rows, getattr(rows[-1], key.key) if more else None)
