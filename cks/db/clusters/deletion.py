"""``cluster.delete`` in the rows: only of a cluster that failed, and complete at once."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.clusters import clusters
from cks.db.operations.accepting import Accepted, accept
from cks.db.operations.effects import Effects
from cks.db.operations.views import OperationView
from cks.domain.access.permissions import Caller
from cks.domain.clusters.clusters import ClusterStatus
from cks.domain.clusters.deletion import DELETE, DeleteCluster
from cks.domain.operations.state import OperationState
from cks.domain.operations.types import Subject
from cks.domain.refusals import NotBuiltYet


async def forget(
    session: AsyncSession, caller: Caller, wanted: UUID | str, at: datetime
) -> OperationView:
    """Delete a failed cluster: an operation that completes at once.

    It holds nothing but, perhaps, orphans of its creation; their sweep goes on without it.
    Raise ``OperationConflict`` while another operation holds it, and ``NotBuiltYet`` for a
    cluster that holds machines.
    """
    cluster = await clusters.find(session, wanted)
    subject = Subject("cluster", cluster.id, cluster.name, cluster.id)
    return await accept(session, caller, Accepted(DELETE, EFFECTS, subject, DeleteCluster()), at)


async def _never(_: AsyncSession, operation: OperationState) -> bool:
    raise AssertionError(f"no run takes {operation.type}")


async def _complete(session: AsyncSession, operation: OperationState) -> None:
    """Delete the rows; what is judged is the cluster as it is now that it is claimed."""
    cluster = await clusters.find(session, operation.resource_id, locked=True)
    if cluster.status is not ClusterStatus.FAILED:
        raise NotBuiltYet("So far, only a failed cluster can be deleted.")
    await session.delete(cluster)
    await session.flush()


async def _fail(_: AsyncSession, operation: OperationState) -> None:
    raise AssertionError(f"{operation.type} never turns back")


EFFECTS = Effects(_never, _complete, _fail)
