"""The activity log: who did what, when, with which outcome.  Append-only, chained per tenant.

The row is the last statement of its transaction, since the chain's head stays locked until
the commit.  Persons stand beside the log, each value under its own salt; the log holds
digests alone, so that a person can be erased and the chain still holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from uuid_utils.compat import uuid7

from cks.db.models.activity import ActivityLog
from cks.db.models.operations import Operation
from cks.domain.access import Caller
from cks.domain.operations import OperationStatus

Outcome = Literal["success", "failure", "denied"]

KNOW = sa.text("""
WITH said (kind, value, salt) AS (
    SELECT kind, value, uuid_send(gen_random_uuid())
      FROM unnest(CAST(:kinds AS text[]), CAST(:values AS text[])) AS s (kind, value)
), new AS (
    INSERT INTO log_people (tenant_id, user_id, kind, value, salt, digest)
    SELECT CAST(:tenant AS uuid), CAST(:user AS uuid), kind, value, salt,
           sha256(salt || convert_to(value, 'UTF8')) FROM said
    ON CONFLICT DO NOTHING RETURNING kind, value, digest
)
SELECT kind, digest FROM new
 UNION
SELECT p.kind, p.digest FROM log_people p JOIN said s ON (s.kind, s.value) = (p.kind, p.value)
 WHERE p.tenant_id = CAST(:tenant AS uuid) AND p.user_id = CAST(:user AS uuid)
""")


@dataclass(frozen=True, slots=True)
class Deed:
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


@dataclass(frozen=True, slots=True)
class Actor:
    """A caller as the log knows them: the digests that stand for their personal values."""

    caller: Caller
    digests: Mapping[str, bytes]


async def actor_of(session: AsyncSession, caller: Caller) -> Actor:
    """Make a caller known to the log.

    This comes before the request's effects: the log's chain is locked last of all.
    """
    return Actor(caller, await _digests(session, caller))


async def log_request(session: AsyncSession, actor: Actor, deed: Deed) -> None:
    """Write what a caller did, or was refused."""
    caller, digests = actor.caller, actor.digests
    row = _row(caller.tenant_id, deed)
    row.user_id, row.token_id, row.request_id = caller.user_id, caller.token_id, caller.request_id
    row.actor_type = "token"
    row.actor_digest = digests.get("actor")
    row.address_digest = digests.get("address")
    row.agent_digest = digests.get("agent")
    session.add(row)
    await session.flush()


async def log_outcome(session: AsyncSession, operation: Operation) -> None:
    """Write how an operation ended."""
    completed = operation.status is OperationStatus.COMPLETED
    deed = Deed(
        action=f"{operation.type}.{operation.status}",
        outcome="success" if completed else "failure",
        resource_type=operation.resource_type,
        resource_id=operation.resource_id,
        detail={"operation_id": str(operation.id), "failure": operation.failure},
    )
    row = _row(operation.tenant_id, deed)
    row.user_id, row.token_id = operation.actor_id, operation.token_id
    row.request_id = operation.request_id
    row.actor_type = "workflow"
    session.add(row)
    await session.flush()


async def log_upkeep(session: AsyncSession, operation: Operation, action: str) -> None:
    """Write what the service did about an operation of its own accord."""
    deed = Deed(
        action=action,
        outcome="success",
        resource_type=operation.resource_type,
        resource_id=operation.resource_id,
        detail={"operation_id": str(operation.id)},
    )
    row = _row(operation.tenant_id, deed)
    row.actor_type = "system"
    session.add(row)
    await session.flush()


async def log_by_hand(
    connection: AsyncConnection,
    tenant_id: UUID,
    action: str,
    subject: tuple[str, UUID],
    detail: Mapping[str, object] | None = None,
) -> None:
    """Write what an operator did, to the ``(type, id)`` that it was done to."""
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


def _row(tenant_id: UUID, deed: Deed) -> ActivityLog:
    return ActivityLog(
        id=uuid7(),
        tenant_id=tenant_id,
        action=deed.action,
        status=deed.outcome,
        permission=deed.permission,
        resource_type=deed.resource_type,
        resource_id=deed.resource_id,
        reason=deed.reason,
        detail=dict(deed.detail),
    )


async def _digests(session: AsyncSession, caller: Caller) -> dict[str, bytes]:
    """Return the digest that stands for each personal value of the caller.

    Two first requests at once may both insert; the one that loses reads again.
    """
    said = {"actor": caller.email, "address": caller.address, "agent": caller.agent}
    given = {kind: value for kind, value in said.items() if value}
    names = {
        "kinds": list(given),
        "values": list(given.values()),
        "tenant": caller.tenant_id,
        "user": caller.user_id,
    }
    found: dict[str, bytes] = {}
    while given.keys() - found.keys():
        found = {row.kind: row.digest for row in await session.execute(KNOW, names)}
    return found
