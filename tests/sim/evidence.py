"""What the rows say of a tale when it is over."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.models.activity import ActivityLog
from cks.db.models.clusters import Cluster, Node, NodePool
from cks.db.models.operations import OperationClaim, OperationEvent
from cks.db.operations import operations
from cks.domain.operations.lifecycle import OperationSnapshot
from cks.domain.operations.state import OperationState
from tests.sim.tale import Tale

if TYPE_CHECKING:
    from tests.sim.history import History

VERSIONS = sa.text("SELECT status, progress, fence, run_id FROM versions WHERE id = :id ORDER BY n")


@dataclass(frozen=True, slots=True)
class Evidence:
    """``versions`` is every state that the operation's row was in; ``seqs`` number the moments."""

    operation: OperationState
    cluster: Cluster | None
    pools: Sequence[NodePool]
    nodes: Sequence[Node]
    claims: int
    seqs: Sequence[int]
    moments: Sequence[OperationSnapshot]
    actions: Sequence[str]
    versions: Sequence[Any]


async def gather(history: "History", tale: Tale) -> Evidence:
    database, tenant_id = history.stage.database, history.tenant.founded.tenant_id
    async with database.begin(tenant_id) as session:
        pools = (
            await session.scalars(sa.select(NodePool).filter_by(cluster_id=tale.cluster_id))
        ).all()
        ids = [pool.id for pool in pools]
        told = await _told(session, tale)
        return Evidence(
            await operations.read(session, tale.id),
            await session.get(Cluster, tale.cluster_id),
            pools,
            (await session.scalars(sa.select(Node).where(Node.node_pool_id.in_(ids)))).all(),
            await _claims(session, tale),
            [seq for seq, _ in told],
            [moment for _, moment in told],
            await _actions(session, tale),
            (await session.execute(VERSIONS, {"id": tale.id})).all(),
        )


async def _claims(session: AsyncSession, tale: Tale) -> int:
    query = sa.select(sa.func.count()).select_from(OperationClaim)
    return await session.scalar(query.where(OperationClaim.operation_id == tale.id)) or 0


async def _told(session: AsyncSession, tale: Tale) -> Sequence[tuple[int, OperationSnapshot]]:
    query = sa.select(OperationEvent.seq, OperationEvent.event).filter_by(operation_id=tale.id)
    rows = await session.execute(query.order_by(OperationEvent.seq))
    return [(row.seq, row.event) for row in rows]


async def _actions(session: AsyncSession, tale: Tale) -> Sequence[str]:
    about = ActivityLog.detail["operation_id"].astext == str(tale.id)
    query = sa.select(ActivityLog.action).where(
        about, ActivityLog.actor_type != "token", ActivityLog.resource_id == tale.resource_id
    )
    return (await session.scalars(query)).all()
