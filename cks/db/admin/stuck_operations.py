"""What operators must look at: operations of all tenants, read as the owner.

However many operations have ended, few are live and few have orphans; each list starts from
those, by a partial index (``operations_live``, ``operation_steps_orphaned``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.admin.connection import as_owner
from cks.db.models.tenants import Tenant
from cks.db.operations.rows import READ, state_of
from cks.db.session import driver
from cks.domain.instants import rfc3339
from cks.domain.operations import snapshots
from cks.domain.operations.attention import Signs, Why, why_stuck
from cks.domain.operations.lifecycle import OrphanSnapshot
from cks.domain.operations.state import OperationState, StepState

TENANTS = sa.select(Tenant.id, Tenant.name)
READ_ONLY = sa.text("SET TRANSACTION READ ONLY")
LIVE_ONES = "SELECT id FROM operations WHERE status IN ('pending', 'running')"
ORPHANED_ONES = """
SELECT operation_id FROM operation_steps WHERE orphaned_at IS NOT NULL AND undone_at IS NULL
"""
OLDEST_FIRST = " WHERE o.id = ANY (ARRAY({ids})) ORDER BY o.created_at, o.id"
"""The array makes PostgreSQL read the ids first, whatever the planner estimates: it counts swept
orphans, too, and would scan all operations to find a few."""


@dataclass(frozen=True, slots=True)
class OperationLine:
    """An operation as operators read it; times are RFC 3339, UTC.

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
    orphans: list[OrphanSnapshot]


async def list_live(url: str) -> list[OperationLine]:
    """Return the operations that have not ended, oldest first."""
    return await _list(url, LIVE_ONES)


async def list_stuck(url: str) -> list[OperationLine]:
    """Return the live operations that need attention."""
    return [line for line in await _list(url, LIVE_ONES) if line.why]


async def list_orphaned(url: str) -> list[OperationLine]:
    """Return the operations that have ended and have orphans."""
    return await _list(url, ORPHANED_ONES)


async def _list(url: str, ids: str) -> list[OperationLine]:
    async with as_owner(url) as connection, AsyncSession(connection) as session:
        await session.execute(READ_ONLY)
        rows = await driver(session).fetch(READ + OLDEST_FIRST.format(ids=ids))
        found = [state_of(row) for row in rows]
        theirs = TENANTS.where(Tenant.id.in_({state.tenant_id for state in found}))
        names = {row.id: row.name for row in await session.execute(theirs)}
    return [_line(state, names[state.tenant_id]) for state in found]


def _line(operation: OperationState, tenant: str) -> OperationLine:
    snapshot = snapshots.snapshot_of(operation)
    failing = _longest_failing(operation.steps)
    return OperationLine(
        tenant_id=operation.tenant_id,
        tenant=tenant,
        operation_id=operation.id,
        type=operation.type,
        status=snapshot["status"],
        phase=snapshot["phase"],
        progress=snapshot["progress"],
        why=why_stuck(_signs(operation, failing), operation.now),
        resource_type=operation.resource_type,
        resource_id=operation.resource_id,
        resource_name=operation.resource_name,
        cluster_id=operation.cluster_id,
        created_at=rfc3339(operation.created_at),
        started_at=snapshot["started_at"],
        deadline_at=snapshot["deadline_at"],
        workflow_id=operation.workflow_id,
        step=failing.name if failing else None,
        last_error=failing.last_error if failing else None,
        orphans=snapshot["orphans"],
    )


def _signs(operation: OperationState, failing: StepState | None) -> Signs:
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


def _longest_failing(steps: Sequence[StepState]) -> StepState | None:
    failing = {step.failing_since: step for step in steps if step.failing_since}
    return failing[min(failing)] if failing else None
