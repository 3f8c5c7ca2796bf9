"""Names the operations that Temporal remembers and no row knows: the database was set back.

Each process looks once, when it has started: a restore comes with a start.  What is found is
told to its tenant, in the activity log, and counted; what such a run left in the cloud is for
``cks admin cloud compare``.  Looking again finds each named already.
"""

import logging
from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from api.background.metrics import REPAIRS, Repair
from cks import logs
from cks.db import activity_log
from cks.db.dispatch import Dispatch
from cks.db.session import Database
from cks.domain.operations.lifecycle import OperationRef
from cks.domain.registry import RUN_BY_WORKFLOWS
from cks.temporal.engine import Trace

MEMORY = timedelta(days=7)
"""How far back it looks; who restores an older dump asks ``cks admin cloud compare``."""
AGAIN_SECONDS = 10.0
PAGE = 500
LOCK = 0x636B74

log = logging.getLogger("cks.reconciler")


class Memory(Protocol):
    """What it needs of Temporal: the runs of operations, a page at a time."""

    def pages_since(
        self, ago: timedelta, size: int, types: Collection[str]
    ) -> AsyncIterator[list[Trace]]: ...


class LostOperations:
    """One process at a time looks; the next finds that nothing is left to tell."""

    def __init__(self, database: Database, dispatch: Dispatch, memory: Memory) -> None:
        self._database = database
        self._dispatch = dispatch
        self._memory = memory

    async def name(self, ago: timedelta = MEMORY) -> None:
        """Name every operation that was begun within that time and has no row."""
        async for page in self._memory.pages_since(ago, PAGE, RUN_BY_WORKFLOWS):
            refs = {UUID(trace.operation_id): trace for trace in page if trace.operation_id}
            for unknown in refs.keys() - await self._dispatch.find_known(list(refs)):
                await self._name(refs[unknown])

    async def _name(self, trace: Trace) -> None:
        """Report it in the tenant's activity log, once, unless the tenant was lost too."""
        if not (trace.tenant_id and trace.operation_id):
            return
        ref = OperationRef(UUID(trace.tenant_id), UUID(trace.operation_id))
        subject = ("cluster", UUID(trace.cluster_id)) if trace.cluster_id else ("operation", ref.id)
        with logs.bound(ref, trace.workflow_id):
            log.warning(Repair.ROW_LOST)
            if not await self._dispatch.has_tenant(ref.tenant_id):
                return
            async with self._database.begin(ref.tenant_id) as session:
                if await activity_log.is_logged(session, Repair.ROW_LOST, subject):
                    return
                detail = {"operation_id": trace.operation_id, "started_at": trace.started_at}
                connection = await session.connection()
                await activity_log.log_by_hand(
                    connection, ref.tenant_id, Repair.ROW_LOST, subject, detail
                )
            REPAIRS.labels(Repair.ROW_LOST).inc()
