"""The loops on the real servers: whom they wait for, and two sets of them at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from api.background import lost_operations, reconciler
from api.background.loops import alone, deliver, hearing, loops_of
from api.background.relay import Relay
from cks.db.dispatch import Dispatch
from cks.db.models.activity import ActivityLog
from cks.domain.operations.lifecycle import OperationStatus
from cks.loop import Loop, beside
from cks.providers.simulated.wire import Call, FaultKind
from cks.temporal.engine import Temporal, connect
from tests.conftest import Urls
from tests.support.site import SECONDS, DispatchOfTenant, Site

NEVER = 3600.0
LISTENERS = sa.text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
KILL = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'doomed'"
)
REPAIRS = sa.select(ActivityLog.action).where(ActivityLog.action.like("operations.%"))


async def listeners(owner: AsyncEngine) -> int:
    async with owner.connect() as connection:
        return int(await connection.scalar(LISTENERS) or 0)


async def test_a_commit_of_another_process_wakes_the_relay(
    ours: Site, urls: Urls, owner: AsyncEngine
) -> None:
    relay = Loop("relay", NEVER, ours.relay.relay)
    before = await listeners(owner)
    async with beside(relay), beside(hearing(urls.app, relay)), asyncio.timeout(SECONDS):
        while await listeners(owner) == before:
            await asyncio.sleep(0.02)
        operation = await ours.order()
        while (await ours.rows(operation)).operation.dispatched_at is None:
            await asyncio.sleep(0.02)


async def test_without_temporal_the_relay_has_at_least_looked(
    ours: Site, urls: Urls, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = Temporal(await connect({"target_host": "127.0.0.1:1"}), "cks")
    dispatch = DispatchOfTenant(urls.dispatch, ours.caller.tenant_id)
    await ours.order()
    await deliver(Relay(ours.database, dispatch, nobody))
    await dispatch.close()
    assert "Temporal does not answer; what was accepted waits" in caplog.messages


async def test_a_pass_that_is_left_to_another_process_counts(dispatch: Dispatch) -> None:
    async def compare() -> None:
        raise AssertionError("two at once")

    async with dispatch.alone(reconciler.LOCK):
        assert not await alone(dispatch, reconciler.LOCK, compare)


async def test_lost_operations_are_looked_for_once_by_each_process_in_turn(
    ours: Site, dispatch: Dispatch
) -> None:
    loop = loops_of(ours.database, dispatch, ours.engine).lost_operations
    async with dispatch.alone(lost_operations.LOCK):
        looking = asyncio.create_task(loop.run())
        await asyncio.sleep(0.2)
        assert not looking.done()
    loop.wake()
    await asyncio.wait_for(looking, SECONDS)


async def test_a_loop_ends_when_asked_although_its_connection_died(
    ours: Site, urls: Urls, owner: AsyncEngine
) -> None:
    dispatch = Dispatch(f"{urls.dispatch}?application_name=doomed")
    loop = asyncio.create_task(loops_of(ours.database, dispatch, ours.engine).reconciler.run())
    await asyncio.sleep(0.2)
    async with owner.connect() as connection:
        assert (await connection.scalars(KILL)).all()
    await asyncio.sleep(0.2)
    loop.cancel()
    done, _ = await asyncio.wait({loop}, timeout=15)
    assert done == {loop}
    await dispatch.close()


@asynccontextmanager
async def all_loops(ours: Site, urls: Urls) -> AsyncIterator[None]:
    """Run a set of the loops, as a process of its own does, for one tenant."""
    async with AsyncExitStack() as stack:
        dispatch = DispatchOfTenant(urls.dispatch, ours.caller.tenant_id)
        stack.push_async_callback(dispatch.close)
        loops = loops_of(ours.database, dispatch, ours.engine)
        for loop in (*loops, hearing(urls.app, loops.relay)):
            await stack.enter_async_context(beside(loop))
        yield


async def test_two_sets_at_once_repair_once(ours: Site, urls: Urls) -> None:
    async with all_loops(ours, urls), all_loops(ours, urls):
        operation = await ours.order()
        await ours.fault(operation, Call.ENSURE_ADDONS, FaultKind.HANG, 1)
        await ours.until_asked(operation, Call.ENSURE_ADDONS)
        await ours.run_of(operation).terminate()
        rows = await ours.ended(operation)
    assert rows.operation.status is OperationStatus.FAILED
    assert await ours.kinds_alive(operation) == []
    async with ours.database.begin(ours.caller.tenant_id) as session:
        assert list(await session.scalars(REPAIRS)) == ["operations.engine_lost"]
