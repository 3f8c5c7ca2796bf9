"""What operations of each type do to the rows of their resource."""

from cks.db.clusters import creation, deletion, pool_update
from cks.db.operations import settling
from cks.db.operations.effects import Effects
from cks.db.session import Session
from cks.domain.clusters.creation import CREATE
from cks.domain.clusters.deletion import DELETE
from cks.domain.clusters.pool_update import UPDATE
from cks.domain.operations.lifecycle import Reason
from cks.domain.operations.state import OperationState

EFFECTS: dict[str, Effects] = {
    CREATE.name: creation.EFFECTS,
    DELETE.name: deletion.EFFECTS,
    UPDATE.name: pool_update.EFFECTS,
}


async def take(session: Session, operation: OperationState) -> bool:
    """Let the resource show that a run has begun; return whether its actor still may.

    If not, the caller must roll back.
    """
    return await EFFECTS[operation.type].take(session, operation)


async def hold(session: Session, operation: OperationState, reason: Reason) -> bool:
    """Keep what a failed operation made, if that was asked for and its type can; say whether."""
    return await settling.hold(session, operation, EFFECTS[operation.type], reason)


async def settle(session: Session, operation: OperationState) -> None:
    """End an operation, whatever its type."""
    await settling.settle(session, operation, EFFECTS[operation.type])
