"""Who holds what: one writer, or many readers, per resource.

A claim is a row under an exclusion constraint, so two operations never hold what excludes
them, also where their transactions cannot see each other.  A writer's slot is ``(,)``, which
overlaps every other; a reader's is a number of its own.  Claims are taken when an operation
becomes runnable and deleted in the transaction that settles it.
"""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.models.operations import Operation, OperationClaim
from cks.domain.operations.lifecycle import OperationRef
from cks.domain.refusals import OperationConflict

TAKE_ALONE = sa.text("""
INSERT INTO operation_claims (tenant_id, operation_id, resource_id, slot)
VALUES (:tenant, :operation, :resource, '(,)') ON CONFLICT DO NOTHING RETURNING resource_id
""")


async def hold_alone(session: AsyncSession, ref: OperationRef, resource_id: UUID) -> None:
    """Let an operation hold a resource as its one writer.

    Raise ``OperationConflict`` naming the holder.  A holder that lets go between our attempt
    and our look is no reason to refuse, so we try again.
    """
    names = {
        "tenant": ref.tenant_id,
        "operation": ref.id,
        "resource": resource_id,
    }
    while await session.scalar(TAKE_ALONE, names) is None:
        if holders := await holders_of(session, resource_id):
            raise conflict_with(holders[0])


async def holders_of(session: AsyncSession, resource_id: UUID) -> Sequence[Operation]:
    """Return the operations that hold a resource now."""
    held = sa.select(OperationClaim.operation_id).where(OperationClaim.resource_id == resource_id)
    query = sa.select(Operation).where(Operation.id.in_(held)).order_by(Operation.id)
    return (await session.scalars(query)).all()


def conflict_with(holder: Operation) -> OperationConflict:
    """Return the refusal that says which operation is in the way."""
    return OperationConflict(
        f"The operation {holder.type} ({holder.id}) holds this resource.",
        members={
            "conflicting_operation_id": str(holder.id),
            "conflicting_operation_type": holder.type,
        },
    )


async def release(session: AsyncSession, operation_id: UUID) -> None:
    """Let go of all that an operation holds."""
    held = OperationClaim.operation_id == operation_id
    await session.execute(sa.delete(OperationClaim).where(held))
