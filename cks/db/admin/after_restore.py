"""A restored database, and its differences from the cloud.

What happened after the dump is in no row.  The reconciler settles what has a row; what exists in
the cloud without a row is reported here, and removed only by hand: it may be a tenant's cluster.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from cks.db.admin.connection import NotDone, as_owner
from cks.db.models.operations import IS_ORPHAN, Operation, OperationStep
from cks.domain.clusters.clusters import ClusterStatus
from cks.domain.operations.lifecycle import LIVE

IN_ORDER_AGAIN = sa.text("""
UPDATE operation_events SET xid = pg_current_xact_id()
 WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())
""")
DRAW = sa.text("SELECT draw_fence()")
CLUSTERS = sa.text("SELECT id, tenant_id, name, status FROM clusters")
BUSY = sa.select(Operation.cluster_id).where(Operation.status.in_(LIVE))
ORPHANED = sa.select(Operation.cluster_id).where(
    Operation.id.in_(sa.select(OperationStep.operation_id).where(IS_ORPHAN))
)


class What(StrEnum):
    """``stray``: it exists in the cloud, and no row accounts for it.

    ``orphaned``: an ended operation left it, and it is being swept.  If that persists, more is left
    than the rows know, made after the dump.  ``missing``: it is running according to its row, and
    the cloud has nothing of it.
    """

    STRAY = "stray"
    ORPHANED = "orphaned"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Difference:
    """A cluster on which rows and cloud disagree, with its row if there is one."""

    what: What
    cluster_id: UUID
    tenant_id: UUID | None
    name: str | None
    status: str | None


@dataclass(frozen=True, slots=True)
class Mended:
    """How many events had to be renumbered."""

    events: int


async def mend(url: str) -> Mended:
    """Prepare a restored database for its server; running it again changes nothing.

    Events are read in the order of their transactions' numbers.  A new server starts from a smaller
    number: events ahead of that would stay invisible for a long time.
    """
    async with as_owner(url) as connection:
        result = await connection.execute(IN_ORDER_AGAIN)
        return Mended(result.rowcount)


async def compare(url: str, in_cloud: Collection[UUID]) -> list[Difference]:
    """Return all clusters on which rows and cloud disagree.

    ``in_cloud`` must have been listed before: a row is written before its cluster is requested.
    """
    async with as_owner(url) as connection:
        return await _compare(connection, in_cloud)


async def fence_to_remove(url: str, cluster_id: UUID) -> int:
    """Return a fence under which everything of a cluster may be removed.

    Raise ``NotDone`` if a row says that the cluster should exist.
    """
    async with as_owner(url) as connection:
        if not await _compare(connection, {cluster_id}, alone=True):
            raise NotDone(f"{cluster_id} is still needed: a row says that it should exist.")
        return int(await connection.scalar(DRAW) or 0)


async def _compare(
    connection: AsyncConnection, in_cloud: Collection[UUID], *, alone: bool = False
) -> list[Difference]:
    rows = {row.id: row for row in await connection.execute(CLUSTERS)}
    busy = set(await connection.scalars(BUSY))
    swept = set(await connection.scalars(ORPHANED))
    wanted = {one for one, row in rows.items() if row.status != ClusterStatus.FAILED}
    unwanted = set(in_cloud) - wanted - busy
    missing = set() if alone else wanted - set(in_cloud) - busy
    found = [(What.STRAY, one) for one in sorted(unwanted - swept)]
    found += [(What.ORPHANED, one) for one in sorted(unwanted & swept)]
    found += [(What.MISSING, one) for one in sorted(missing)]
    return [_difference(what, one, rows.get(one)) for what, one in found]


def _difference(what: What, cluster_id: UUID, row: sa.Row[tuple[object, ...]] | None) -> Difference:
    if row is None:
        return Difference(what, cluster_id, None, None, None)
    return Difference(what, cluster_id, row.tenant_id, row.name, row.status)
