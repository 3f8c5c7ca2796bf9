"""The activity log: who did what, when, with which outcome.  Append-only, chained per tenant.

Writing it is the last statement of its transaction, since the chain's head stays locked until
the commit.  Personal values are stored beside the log, each with its own salt; the log contains
only digests, so that a person can be erased and the chain still verifies.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from uuid_utils.compat import uuid7

from cks.db.models.activity import ActivityLog
from cks.db.session import driver
from cks.domain.access.permissions import Caller
from cks.domain.operations.lifecycle import OperationStatus
from cks.domain.operations.state import OperationState

Outcome = Literal["success", "failure", "denied"]

LOG_REQUEST = """
WITH said (kind, value) AS (
    SELECT * FROM unnest($3::text[], $4::text[])
), known AS (
    SELECT p.kind, p.digest FROM log_people p JOIN said s ON (s.kind, s.value) = (p.kind, p.value)
     WHERE p.tenant_id = $1 AND p.user_id = $2
), new AS (
    INSERT INTO log_people (tenant_id, user_id, kind, value, salt, digest)
    SELECT $1, $2, kind, value, salt, sha256(salt || convert_to(value, 'UTF8'))
      FROM (SELECT kind, value, uuid_send(gen_random_uuid()) AS salt FROM said
             WHERE kind NOT IN (SELECT kind FROM known)) AS unknown
    ON CONFLICT DO NOTHING RETURNING kind, digest
), people AS (
    SELECT * FROM known UNION ALL SELECT * FROM new
)
INSERT INTO activity_logs (
    tenant_id, user_id, id, token_id, request_id, actor_type, action, status, permission,
    resource_type, resource_id, reason, detail, actor_digest, address_digest, agent_digest)
SELECT $1, $2, $5, $6, $7, 'token', $8, $9, $10, $11, $12, $13, $14::jsonb,
       (SELECT digest FROM people WHERE kind = 'actor'),
       (SELECT digest FROM people WHERE kind = 'address'),
       (SELECT digest FROM people WHERE kind = 'agent')
 WHERE (SELECT count(*) FROM people) = cardinality($3)
RETURNING seq
"""
"""Returns no row if a concurrent request has just inserted a person whom our snapshot lacks."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What was done: an action such as ``clusters.create``, to what, and how it went.

    ``detail`` never holds a personal value.
    """

    action: str
    outcome: Outcome
    permission: str | None = None
    resource_type: str | None = None
    resource_id: UUID | None = None
    reason: str | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


async def log_request(session: AsyncSession, caller: Caller, entry: Entry) -> None:
    """Log what a caller did, or was refused.

    Each personal value is replaced by its digest.  Two concurrent first requests may both insert
    a person; the one that loses tries again with a fresh snapshot.
    """
    said = {"actor": caller.email, "address": caller.address, "agent": caller.agent}
    people = {kind: value for kind, value in said.items() if value}
    connection = driver(session)
    params = (
        caller.tenant_id,
        caller.user_id,
        list(people),
        list(people.values()),
        uuid7(),
        caller.token_id,
        caller.request_id,
        entry.action,
        entry.outcome,
        entry.permission,
        entry.resource_type,
        entry.resource_id,
        entry.reason,
        json.dumps(dict(entry.detail)),
    )
    while await connection.fetchval(LOG_REQUEST, *params) is None:
        continue


async def log_outcome(session: AsyncSession, operation: OperationState) -> None:
    """Log how an operation ended."""
    completed = operation.status is OperationStatus.COMPLETED
    entry = Entry(
        action=f"{operation.type}.{operation.status}",
        outcome="success" if completed else "failure",
        resource_type=operation.resource_type,
        resource_id=operation.resource_id,
        detail={"operation_id": str(operation.id), "failure": operation.failure},
    )
    row = _row(operation.tenant_id, entry)
    row.user_id, row.token_id = operation.actor_id, operation.token_id
    row.request_id = operation.request_id
    row.actor_type = "workflow"
    session.add(row)
    await session.flush()


async def log_upkeep(session: AsyncSession, operation: OperationState, action: str) -> None:
    """Log what the service did to an operation on its own."""
    entry = Entry(
        action=action,
        outcome="success",
        resource_type=operation.resource_type,
        resource_id=operation.resource_id,
        detail={"operation_id": str(operation.id)},
    )
    row = _row(operation.tenant_id, entry)
    row.actor_type = "system"
    session.add(row)
    await session.flush()


async def is_logged(session: AsyncSession, action: str, subject: tuple[str, UUID]) -> bool:
    """Say whether the tenant's log contains such an action on the ``(type, id)``."""
    kind, one = ActivityLog.resource_type == subject[0], ActivityLog.resource_id == subject[1]
    found = sa.exists().where(kind, one, ActivityLog.action == action)
    return bool(await session.scalar(sa.select(found)))


async def log_by_hand(
    connection: AsyncConnection,
    tenant_id: UUID,
    action: str,
    subject: tuple[str, UUID],
    detail: Mapping[str, object] | None = None,
) -> None:
    """Log what an operator did, or the service without a request, to a ``(type, id)``."""
    row = sa.insert(ActivityLog).values(
        tenant_id=tenant_id,
        action=action,
        resource_type=subject[0],
        resource_id=subject[1],
        actor_type="system",
        status="success",
        detail=dict(detail or {}),
    )
    await connection.execute(row)


def _row(tenant_id: UUID, entry: Entry) -> ActivityLog:
    return ActivityLog(
        id=uuid7(),
        tenant_id=tenant_id,
        action=entry.action,
        status=entry.outcome,
        permission=entry.permission,
        resource_type=entry.resource_type,
        resource_id=entry.resource_id,
        reason=entry.reason,
        detail=dict(entry.detail),
    )
