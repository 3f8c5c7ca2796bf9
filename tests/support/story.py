"""An operation, moved as the activities of a run would move it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cks.db import registry
from cks.db.operations import events, operations
from cks.db.session import Database, Session
from cks.domain.operations import moves, steps
from cks.domain.operations.failures import PROVIDER_UNAVAILABLE, failed_at
from cks.domain.operations.lifecycle import CANCELLED, OperationStatus
from cks.domain.operations.state import OperationState


@dataclass(frozen=True, slots=True)
class Story:
    database: Database
    tenant: UUID
    id: UUID

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[Session, OperationState]]:
        """Open a transaction that a run would hold, which has taken the operation."""
        async with self.database.begin(self.tenant) as session:
            operation = await operations.lock(session, self.id)
            if operation.status is OperationStatus.PENDING:
                operation.run_id = "a-run"
                await operations.draw_fence(session, operation)
                moves.take(operation)
                await registry.take(session, operation)
            yield session, operation

    async def tell(self, session: Session, operation: OperationState, fraction: float) -> None:
        step = operation.step("network")
        steps.begin(step, 1, operation.acting_fence, operation.now)
        steps.advance(step, fraction)
        await events.record(session, operation)

    async def advance(self, fraction: float = 0.5) -> None:
        async with self.open() as (session, operation):
            await self.tell(session, operation, fraction)

    async def complete(self) -> None:
        async with self.open() as (session, operation):
            await registry.settle(session, operation)

    async def fail(self, begun: str | None = None) -> None:
        """Fail; with a step that was ``begun``, and is not undone."""
        reason = failed_at(PROVIDER_UNAVAILABLE, "Create the network")
        async with self.open() as (session, operation):
            if begun:
                steps.begin(operation.step(begun), 1, operation.acting_fence, operation.now)
            await operations.turn_back(session, operation, reason)
            await registry.settle(session, operation)

    async def undo(self) -> None:
        """End what was cancelled while it ran."""
        async with self.open() as (session, operation):
            await operations.turn_back(session, operation, CANCELLED)
            await registry.settle(session, operation)


@dataclass(frozen=True, slots=True)
class Stories:
    """One tenant's."""

    database: Database
    tenant: UUID

    def of(self, operation: Any) -> Story:
        return Story(self.database, self.tenant, UUID(operation["id"]))
