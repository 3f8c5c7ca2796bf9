"""A database that was set back, and what it and the cloud disagree about.

What happened after the dump is in no row.  The reconciler settles what has a row; what the cloud
has and no row accounts for is told here, and removed only by hand: it may be a tenant's cluster.
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
    """``stray``: it lives in the cloud, and nothing in the rows says that it should.

    ``orphaned``: an operation that ended left it, and it is being swept.  If that lasts, more is
    left than the rows know: what was made after the dump.  ``missing``: a row says that it runs,
    and the cloud has nothing of it.
    """

    STRAY = "stray"
    ORPHANED = "orphaned"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Difference:
    """A cluster about which rows and cloud disagree, with its row where there is one."""

    what: What
    cluster_id: UUID
    tenant_id: UUID | None
    name: str | None
    status: str | None


@dataclass(frozen=True, slots=True)
class Mended:
    """How many events had to be put in order again."""

    events: int


async def mend(url: str) -> Mended:
    """Make a database fit for its new server; run twice, it finds nothing to do.

    Events are read in the order of their transactions' numbers.  Another server counts its own,
    from a smaller one: what lies ahead of that would not be told for a long time.
    """
    async with as_owner(url) as connection:
        result = await connection.execute(IN_ORDER_AGAIN)
        return Mended(result.rowcount)


async def compare(url: str, in_cloud: Collection[UUID]) -> list[Difference]:
    """Return all clusters about which rows and cloud disagree.

    ``in_cloud`` was listed before: a row is written before its cluster is asked for.
    """
    async with as_owner(url) as connection:
        return await _compare(connection, in_cloud)


async def fence_to_remove(url: str, cluster_id: UUID) -> int:
    """Return a fence under which all of a cluster may be removed.

    Raise ``NotDone`` for one that a row says should be there.
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
