"""What an operator must look at: operations of all tenants, read as the owner.

However many operations have ended, few are live and few have orphans; each list begins at
those, by an index of them alone (``operations_live``, ``operation_steps_orphaned``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from cks.db import events, operations
from cks.db.models.operations import IS_ORPHAN, Operation, OperationStep
from cks.db.models.tenants import Tenant
from cks.db.owner import owning
from cks.domain.attention import Signs, Why, why_stuck
from cks.domain.instants import rfc3339
from cks.domain.operations import LIVE, OrphanMoment

READ_ONLY = sa.text("SET TRANSACTION READ ONLY")
LIVE_ONES = sa.select(Operation.id).where(Operation.status.in_(LIVE))
ORPHANED_ONES = sa.select(OperationStep.operation_id).where(IS_ORPHAN)
OLDEST_FIRST = (
    sa.select(Operation, Tenant.name, OperationStep)
    .options(defer(Operation.request))
    .join(Tenant, Tenant.id == Operation.tenant_id)
    .outerjoin(OperationStep, OperationStep.operation_id == Operation.id)
    .order_by(Operation.created_at, Operation.id, OperationStep.position)
)
"""An operation, its tenant's name and one of its steps, a row a step."""


@dataclass(frozen=True, slots=True)
class OperationLine:
    """An operation as an operator reads it; times are RFC 3339, UTC.

    ``step``: the one whose calls have been failing for longest, with ``last_error``.
    """

    tenant_id: UUID
    tenant: str
    operation_id: UUID
    type: str
    status: str
    phase: str
    progress: int
    why: list[Why]
    resource_type: str
    resource_id: UUID
    resource_name: str | None
    cluster_id: UUID | None
    created_at: str
    started_at: str | None
    deadline_at: str | None
    workflow_id: str | None
    step: str | None
    last_error: str | None
    orphans: list[OrphanMoment]


async def list_live(url: str) -> list[OperationLine]:
    """Return the operations that have not ended, the oldest first."""
    return await _list(url, LIVE_ONES)


async def list_stuck(url: str) -> list[OperationLine]:
    """Return those of the live operations that need a look."""
    return [line for line in await _list(url, LIVE_ONES) if line.why]


async def list_orphaned(url: str) -> list[OperationLine]:
    """Return the operations that ended and left something which is not removed yet."""
    return await _list(url, ORPHANED_ONES)


def _lines_of(ids: sa.Select[UUID]) -> sa.Select[Operation, str, OperationStep]:
    """Return the query of the operations with these ids.

    As an array they are read first, whatever the planner believes of their number: it takes
    swept orphans for orphans, and would read all operations to find a few.
    """
    among = sa.any_(sa.func.array(ids.correlate(None).scalar_subquery()))
    return OLDEST_FIRST.where(Operation.id == among)


async def _list(url: str, ids: sa.Select[UUID]) -> list[OperationLine]:
    async with owning(url) as connection, AsyncSession(connection) as session:
        await session.execute(READ_ONLY)
        now = await operations.instant(session)
        rows = await session.execute(_lines_of(ids))
        return [
            _line(operation, tenant, [row[2] for row in of_one if row[2]], now)
            for (operation, tenant), of_one in groupby(rows, lambda row: (row[0], row[1]))
        ]


def _line(
    operation: Operation, tenant: str, steps: Sequence[OperationStep], now: datetime
) -> OperationLine:
    moment = events.moment_of(operation, steps)
    failing = _longest_failing(steps)
    return OperationLine(
        tenant_id=operation.tenant_id,
        tenant=tenant,
        operation_id=operation.id,
        type=operation.type,
        status=moment["status"],
        phase=moment["phase"],
        progress=moment["progress"],
        why=why_stuck(_signs(operation, failing), now),
        resource_type=operation.resource_type,
        resource_id=operation.resource_id,
        resource_name=operation.resource_name,
        cluster_id=operation.cluster_id,
        created_at=rfc3339(operation.created_at),
        started_at=moment["started_at"],
        deadline_at=moment["deadline_at"],
        workflow_id=operation.workflow_id,
        step=failing.name if failing else None,
        last_error=failing.last_error if failing else None,
        orphans=moment["orphans"],
    )


def _signs(operation: Operation, failing: OperationStep | None) -> Signs:
    return Signs(
        status=operation.status,
        ending=operation.ending,
        runnable_at=operation.runnable_at,
        dispatched_at=operation.dispatched_at,
        forward_until=operation.forward_until,
        deadline_at=operation.deadline_at,
        updated_at=operation.updated_at,
        failing_since=failing.failing_since if failing else None,
    )


def _longest_failing(steps: Sequence[OperationStep]) -> OperationStep | None:
    failing = {step.failing_since: step for step in steps if step.failing_since}
    return failing[min(failing)] if failing else None
