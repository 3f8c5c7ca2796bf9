"""Which run may act.

Temporal says that a run has ended; its activities do not know.  One that was sent out before
a terminate or a reset takes effect seconds later.  So each activity asks the operation's row,
in the transaction of its own effect, whether its run still owns the operation.  The row's
lock makes the answer hold until the effect is there.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

from cks.db.operations import operations
from cks.db.operations.rows import state_of
from cks.db.session import Database, Session
from cks.domain.operations.lifecycle import Heading, OperationRef, check_heading, check_live
from cks.domain.operations.state import OperationState
from cks.domain.refusals import NotFound, Superseded
from cks.temporal.engine import Engine


class Ownership:
    def __init__(self, database: Database, engine: Engine) -> None:
        self._database = database
        self._engine = engine

    @asynccontextmanager
    async def of(
        self, ref: OperationRef, heading: Heading, *, settling: bool = False
    ) -> AsyncIterator[tuple[Session, OperationState]]:
        """Open a transaction in which the calling run owns the live operation.

        Raise ``NotFound`` where the database was set back and no row knows it, so that its run
        fails and is seen; ``Superseded`` if the run does not own it, or is another operation's;
        and ``TurnedBack`` if it means to go forward with an operation that is being undone.  Who
        is ``settling`` may find that it did so before: only the reply was lost.
        """
        async with self._database.hold(ref) as (session, row):
            if row is None:
                raise NotFound("There is no such operation.")
            operation = state_of(row)
            _check_is_ours(operation)
            mine = operation.run_id == activity.info().workflow_run_id
            if not (settling and mine):
                check_live(operation.status)
            await self._own(session, operation)
            check_heading(heading, operation.ending)
            yield session, operation

    async def _own(self, session: Session, operation: OperationState) -> None:
        """Take over what another run left, if Temporal runs us in its stead."""
        me = activity.info().workflow_run_id
        if operation.run_id == me:
            return
        # ``first_execution_run_id`` is the same for a run and for what a reset made of it, so
        # only the server can say which of both is the present one.
        latest = await self._engine.latest_run(activity.info().workflow_id or "")
        if latest is None or latest.closed or latest.id != me:
            raise Superseded(f"run {me} does not own the operation")
        operation.run_id = me
        await operations.draw_fence(session, operation)


def _check_is_ours(operation: OperationState) -> None:
    """Raise ``Superseded`` for an operation that another workflow than ours carries out.

    What a run was told is not to be trusted: whoever may start runs could name any operation.
    """
    if operation.workflow_id != activity.info().workflow_id:
        raise Superseded(f"workflow {activity.info().workflow_id} is not this operation's")
