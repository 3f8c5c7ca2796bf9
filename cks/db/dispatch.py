"""Finds, in every tenant, what needs attention, and changes nothing."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cks.db.connections import connect
from cks.db.models.operations import IS_ORPHAN, Operation, OperationStep
from cks.db.models.tenants import Tenant
from cks.domain.operations.lifecycle import LIVE, TERMINAL, OperationRef

DISPATCH_CONNECTIONS = 4
ALONE_SECONDS = 60
"""How long one process's exclusive pass may take, or hang, before another may begin (seconds)."""


@dataclass(frozen=True, slots=True)
class Found:
    """An operation that needs attention, as far as ``cks_dispatch`` may see it."""

    ref: OperationRef
    type: str
    workflow_id: str
    fence: int | None = None


class Dispatch:
    """Finds work in every tenant, as ``cks_dispatch``, and nothing more."""

    def __init__(self, url: str, *, pooled: bool = False) -> None:
        self.engine = connect(
            url, DISPATCH_CONNECTIONS, weak=True, idle_seconds=ALONE_SECONDS, pooled=pooled
        )

    async def find_undelivered(self, types: Collection[str], limit: int) -> Sequence[Found]:
        """Find runnable operations that no run was started for, the oldest first."""
        waiting = Operation.runnable_at.is_not(None), Operation.dispatched_at.is_(None)
        return await self._find(Operation.status.in_(LIVE), *waiting, types=types, limit=limit)

    async def find_cancelled(self, types: Collection[str], limit: int) -> Sequence[Found]:
        """Find live operations with a run that a tenant wants to end."""
        wanted = Operation.cancel_requested_at.is_not(None), Operation.ending.is_(None)
        return await self._find(
            Operation.status.in_(LIVE),
            Operation.dispatched_at.is_not(None),
            *wanted,
            types=types,
            limit=limit,
        )

    async def find_delivered(
        self, types: Collection[str], limit: int, quiet_seconds: float
    ) -> Sequence[Found]:
        """Find live operations that should have a run and have not changed for some seconds.

        If there are more than ``limit``, a random choice: each has its turn before long.
        """
        return await self._find(
            Operation.status.in_(LIVE),
            Operation.dispatched_at.is_not(None),
            _untouched_for(quiet_seconds),
            types=types,
            limit=limit,
            order=sa.func.random(),
        )

    async def find_settled(
        self, types: Collection[str], limit: int, quiet_seconds: float, within_seconds: float
    ) -> Sequence[Found]:
        """Find operations that ended recently, not just now: their runs should have, too."""
        return await self._find(
            Operation.status.in_(TERMINAL),
            Operation.dispatched_at.is_not(None),
            _ended_before(quiet_seconds),
            sa.not_(_ended_before(within_seconds)),
            types=types,
            limit=limit,
            order=sa.func.random(),
        )

    async def find_due(
        self, types: Collection[str], limit: int, lead_seconds: float
    ) -> Sequence[Found]:
        """Find live operations whose deadline is at most ``lead_seconds`` away, or past."""
        due = Operation.deadline_at < sa.func.now() + timedelta(seconds=lead_seconds)
        live = Operation.status.in_(LIVE)
        soonest = Operation.deadline_at.asc()
        return await self._find(live, due, types=types, limit=limit, order=soonest)

    async def find_orphaned(self, types: Collection[str], limit: int) -> Sequence[Found]:
        """Find operations that have ended and have orphans.

        If there are more than ``limit``, a random choice.  The array makes PostgreSQL read the
        orphans' ids first: the planner counts swept orphans, too, and would scan all operations.
        """
        orphans = sa.select(OperationStep.operation_id).where(IS_ORPHAN).scalar_subquery()
        left = Operation.id == sa.any_(sa.func.array(orphans))
        return await self._find(left, types=types, limit=limit, order=sa.func.random())

    async def find_tenants(self, after: UUID, limit: int) -> Sequence[UUID]:
        """Return the ids of tenants that follow ``after``, in order."""
        query = sa.select(Tenant.id).where(Tenant.id > after).order_by(Tenant.id).limit(limit)
        async with self.engine.connect() as connection:
            return (await connection.scalars(query)).all()

    async def find_known(self, ids: Collection[UUID]) -> set[UUID]:
        """Return those of the ids that belong to operations of any tenant."""
        query = sa.select(Operation.id).where(Operation.id.in_(ids))
        async with self.engine.connect() as connection:
            return set(await connection.scalars(query))

    async def has_tenant(self, tenant_id: UUID) -> bool:
        """Say whether a tenant exists."""
        query = sa.select(Tenant.id).where(Tenant.id == tenant_id)
        async with self.engine.connect() as connection:
            return await connection.scalar(query) is not None

    @asynccontextmanager
    async def alone(self, key: int) -> AsyncIterator[bool]:
        """Hold an advisory lock, if nobody else does, for the length of the block.

        It ends with its transaction, and so with its connection: a dead process blocks nobody.
        """
        async with self.engine.connect() as connection:
            yield bool(await connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(key))))

    async def undelivered_seconds(self) -> float:
        """Return for how many seconds the oldest runnable operation has waited for a run.

        By the database's clock, as everywhere: this process's own may be wrong.
        """
        waiting = sa.func.now() - sa.func.min(Operation.runnable_at)
        query = sa.select(sa.extract("epoch", waiting)).where(
            Operation.status.in_(LIVE), Operation.dispatched_at.is_(None)
        )
        async with self.engine.connect() as connection:
            return float(await connection.scalar(query) or 0)

    async def _find(
        self,
        *conditions: sa.ColumnElement[bool],
        types: Collection[str],
        limit: int,
        order: sa.ColumnElement[Any] | None = None,
    ) -> Sequence[Found]:
        one = Operation
        columns = (one.tenant_id, one.id, one.type, one.workflow_id, one.fence)
        query = sa.select(*columns).where(one.type.in_(types), *conditions).limit(limit)
        query = query.order_by(one.runnable_at if order is None else order)
        async with self.engine.connect() as connection:
            rows = await connection.execute(query)
            return [Found(OperationRef(r[0], r[1]), r[2], str(r[3]), r[4]) for r in rows]

    async def close(self) -> None:
        await self.engine.dispose()


def _ended_before(seconds: float) -> sa.ColumnElement[bool]:
    return Operation.completed_at < sa.func.now() - timedelta(seconds=seconds)


def _untouched_for(seconds: float) -> sa.ColumnElement[bool]:
    return Operation.updated_at < sa.func.now() - timedelta(seconds=seconds)
