"""A tenant's request to end an operation."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cks.db import registry
from cks.db.operations import events, operations
from cks.domain.operations.lifecycle import CANCELLED, LIVE, OperationStatus, check_cancel
from cks.domain.operations.state import OperationState
from cks.domain.registry import TYPES


async def request_cancel(session: AsyncSession, operation_id: UUID) -> OperationState:
    """Record that the tenant wants it to end, once.

    Raise ``TooLate`` if it has, and ``NotCancellable`` if its type only goes forward.  What no run
    has taken yet has done nothing, so it ends here and now.
    """
    operation = await operations.lock(session, operation_id)
    check_cancel(operation.status, TYPES[operation.type].on_failure.cancel_effect)
    if operation.cancel_requested_at is not None or operation.status not in LIVE:
        return operation
    operation.cancel_requested_at = operation.now
    if operation.status is OperationStatus.PENDING:
        await operations.turn_back(session, operation, CANCELLED)
        await registry.settle(session, operation)
    else:
        await events.record(session, operation)
    return operation
