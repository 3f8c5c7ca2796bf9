"""Claims: one writer, or many readers, per resource.

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
from cks.domain.operations.types import Claim
from cks.domain.refusals import OperationConflict

TAKE = sa.text("""
INSERT INTO operation_claims (tenant_id, operation_id, resource_id, slot)
VALUES (:tenant, :operation, :resource, claim_slot(:shared)) ON CONFLICT DO NOTHING
""")
HELD = sa.text("""
SELECT count(*) FROM operation_claims WHERE operation_id = :operation AND resource_id = :resource
""")


async def hold(session: AsyncSession, ref: OperationRef, claims: Sequence[Claim]) -> None:
    """Let an operation hold all of these; what it holds already it keeps.

    Raise ``OperationConflict`` naming the holder.
    """
    for claim in claims:
        await _hold(session, ref, claim)


async def _hold(session: AsyncSession, ref: OperationRef, claim: Claim) -> None:
    """Hold one resource.

    A holder that lets go between our attempt and our look is no reason to refuse: try again.
    """
    one = {"operation": ref.id, "resource": claim.resource_id}
    names = {**one, "tenant": ref.tenant_id, "shared": claim.shared}
    while True:
        # A conflicting insert waits for the other transaction's end, so the look after it is fresh.
        await session.execute(TAKE, names)
        if await session.scalar(HELD, one):
            return
        if holders := await holders_of(session, claim):
            raise conflict_with(holders[0])


async def holders_of(session: AsyncSession, claim: Claim) -> Sequence[Operation]:
    """Return the operations that are in the way of a claim now."""
    held = sa.select(OperationClaim.operation_id).where(
        OperationClaim.resource_id == claim.resource_id
    )
    if claim.shared:
        held = held.where(sa.func.upper_inf(OperationClaim.slot))
    query = sa.select(Operation).where(Operation.id.in_(held)).order_by(Operation.id)
    return (await session.scalars(query)).all()


def conflict_with(holder: Operation) -> OperationConflict:
    """Return the refusal that says which operation is in the way."""
    return OperationConflict(
        f"The operation {holder.type} ({holder.id}) is in progress on this resource.",
        members={
            "conflicting_operation_id": str(holder.id),
            "conflicting_operation_type": holder.type,
        },
    )


async def release(session: AsyncSession, operation_id: UUID) -> None:
    """Let go of all that an operation holds."""
    held = OperationClaim.operation_id == operation_id
    await session.execute(sa.delete(OperationClaim).where(held))
