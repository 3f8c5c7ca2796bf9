"""Operations as their tenants see them: what never changes, and how each stands.

A snapshot is derived from the rows (``snapshot_of``) by the code that changes them, and is then the
operation's last event.  So reads use that event: one operation, with its reader's permissions, in
one statement.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.access.decisions import Identity, identity_of
from cks.db.models.operations import Operation
from cks.db.operations import events, operations
from cks.db.session import Database
from cks.domain.operations.lifecycle import OperationSnapshot
from cks.domain.operations.state import OperationState
from cks.domain.people.tokens import TokenClaim

READ = "SELECT * FROM show_operation($1, $2, $3, $4)"


@dataclass(frozen=True, slots=True)
class OperationView:
    """An operation at a moment.  ``email``: of who asked, as long as they exist."""

    id: UUID
    type: str
    resource_type: str
    resource_id: UUID
    resource_name: str | None
    cluster_id: UUID | None
    request: dict[str, object]
    created_at: datetime
    actor_id: UUID
    email: str | None
    token_id: UUID | None
    workflow_id: str
    snapshot: OperationSnapshot


async def view_of(session: AsyncSession, operation: Operation | OperationState) -> OperationView:
    """Return an operation as it is now."""
    return (await views_of(session, [operation]))[0]


async def views_of(
    session: AsyncSession, found: Sequence[Operation | OperationState]
) -> list[OperationView]:
    """Return operations as they are now, with two queries however many they are."""
    emails = await operations.emails_of(session, {one.created_by for one in found})
    snapshots = await events.last_snapshots(session, [operation.id for operation in found])
    return [view_at(one, snapshots[one.id], emails) for one in found]


def view_at(
    operation: Operation | OperationState, snapshot: OperationSnapshot, emails: dict[UUID, str]
) -> OperationView:
    """Return an operation as it was at a moment."""
    actor = operation.actor_id or UUID(int=0)
    return OperationView(
        id=operation.id,
        type=operation.type,
        resource_type=operation.resource_type,
        resource_id=operation.resource_id,
        resource_name=operation.resource_name,
        cluster_id=operation.cluster_id,
        request=operation.request or {},
        created_at=operation.created_at,
        actor_id=actor,
        email=emails.get(actor),
        token_id=operation.token_id,
        workflow_id=operation.workflow_id or "",
        snapshot=snapshot,
    )


@dataclass(frozen=True, slots=True)
class Glimpse:
    """Who asked, and what they see; ``None``: the tenant has no such operation."""

    identity: Identity
    operation: OperationView | None


async def glimpse(
    database: Database, claim: TokenClaim, permission: str, operation_id: UUID
) -> Glimpse:
    """Read one operation for a token; raise ``Unauthenticated``."""
    row = await database.ask(READ, claim.tenant_id, claim.digest, permission, operation_id)
    identity = identity_of(row)
    return Glimpse(identity, _view(operation_id, row) if row and row["type"] else None)


def _view(operation_id: UUID, row: asyncpg.Record) -> OperationView:
    return OperationView(
        id=operation_id,
        type=row["type"],
        resource_type=row["resource_type"],
        resource_id=row["resource_id"],
        resource_name=row["resource_name"],
        cluster_id=row["cluster_id"],
        request=json.loads(row["request"] or "{}"),
        created_at=row["created_at"],
        actor_id=row["actor_id"] or UUID(int=0),
        email=row["actor_email"],
        token_id=row["actor_token_id"],
        workflow_id=row["workflow_id"] or "",
        snapshot=json.loads(row["event"]),
    )
