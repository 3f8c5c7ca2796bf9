"""Pages of a list: newest first, by id, which holds the time of its making (UUIDv7).

A page goes on below the last id of the one before, so rows inserted meanwhile move nothing.
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
    """Which part of a list is wanted: at most ``size`` rows below the id ``after``."""

    size: int
    after: UUID | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows, and where the next page goes on; ``None`` where there is none."""

    rows: Sequence[Row]
    next_after: UUID | None


async def fetch(
    session: AsyncSession, query: sa.Select[Row], key: InstrumentedAttribute[UUID], cut: Cut
) -> Page[Row]:
    """Run a query for one page; one row more is asked for, to know whether that was all."""
    if cut.after is not None:
        query = query.where(key < cut.after)
    found = (await session.scalars(query.order_by(key.desc()).limit(cut.size + 1))).all()
    rows = found[: cut.size]
    more = len(found) > cut.size
    return Page(rows, getattr(rows[-1], key.key) if more else None)
