"""The schedule that lets old records go, on the real server."""

import asyncio
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.expiring import Expiring
from cks.db.admin.tenants import Founded
from cks.db.dispatch import Dispatch
from cks.db.session import Database
from cks.domain.retention import ExpiryOrder
from cks.settings import Settings
from cks.temporal.engine import EngineAway, connect
from cks.temporal.schedules import ensure_schedule
from tests.conftest import Urls
from tests.support.site import SECONDS, Crew
from worker import retention_schedule
from workflows.expire_records import ExpireRecords

KEY = sa.text("""
INSERT INTO idempotency_keys (tenant_id, token_id, method, path, key, request_digest, created_at)
VALUES (:tenant, gen_random_uuid(), 'POST', '/', 'old', '', now() - interval '3 days')
""")
REFUSE = """
CREATE FUNCTION not_this_one() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
CREATE TRIGGER not_this_one BEFORE DELETE ON idempotency_keys FOR EACH ROW
  WHEN (OLD.tenant_id = '{}') EXECUTE FUNCTION not_this_one()
"""
ALLOW = "DROP TRIGGER not_this_one ON idempotency_keys; DROP FUNCTION not_this_one()"
KEYS = sa.text("SELECT count(*) FROM idempotency_keys")


async def add_old_key(owner: AsyncEngine, tenant: UUID) -> None:
    async with owner.begin() as connection:
        await connection.execute(KEY, {"tenant": tenant})


async def keys(database: Database, tenant: UUID) -> int:
    async with database.begin(tenant) as session:
        return int(await session.scalar(KEYS) or 0)


async def test_a_run_takes_its_page_and_leaves_the_rest_to_the_next(
    usual: Crew, temporal: Client, owner: AsyncEngine, founded: Founded
) -> None:
    await add_old_key(owner, founded.tenant_id)
    before = ExpiryOrder(UUID(int=founded.tenant_id.int - 1), tenants=1)
    handle = await temporal.start_workflow(
        ExpireRecords.run, before, id=uuid4().hex, task_queue=usual.given.task_queue
    )
    first = (await handle.describe()).run_id
    await asyncio.wait_for(handle.result(), SECONDS)
    assert (await temporal.get_workflow_handle(handle.id).describe()).run_id != first
    assert await keys(usual.database, founded.tenant_id) == 0


async def test_the_schedule_starts_it_and_asking_twice_makes_one(
    usual: Crew, temporal: Client, owner: AsyncEngine, founded: Founded
) -> None:
    name, queue = uuid4().hex, usual.given.task_queue
    await add_old_key(owner, founded.tenant_id)
    await ensure_schedule(temporal, name, retention_schedule(queue))
    schedule = temporal.get_schedule_handle(name)
    await schedule.trigger()
    async with asyncio.timeout(SECONDS):
        while await keys(usual.database, founded.tenant_id):
            await asyncio.sleep(0.1)

    await schedule.pause(note="by hand")
    await ensure_schedule(temporal, name, retention_schedule(queue))
    described = await schedule.describe()
    assert described.schedule.state.paused
    assert (await schedule.describe()).info.num_actions == 1
    await schedule.delete()


async def test_a_tenants_trouble_is_no_other_tenants(
    usual: Crew,
    temporal: Client,
    owner: AsyncEngine,
    founded: Founded,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await add_old_key(owner, founded.tenant_id)
    await run_script(owner, REFUSE.format(founded.tenant_id))
    try:
        before = ExpiryOrder(UUID(int=founded.tenant_id.int - 1), tenants=1)
        await temporal.execute_workflow(
            ExpireRecords.run, before, id=uuid4().hex, task_queue=usual.given.task_queue
        )
    finally:
        await run_script(owner, ALLOW)
    assert "old records could not be deleted" in caplog.messages
    assert await keys(usual.database, founded.tenant_id) == 1


async def test_a_database_that_is_away_is_met_again(urls: Urls, founded: Founded) -> None:
    before = ExpiryOrder(UUID(int=founded.tenant_id.int - 1), tenants=1)
    away, dispatch = Database("postgresql://cks_app@127.0.0.1:1/x"), Dispatch(urls.dispatch)
    expiring = Expiring(away, dispatch, Settings().retention)
    with pytest.raises(OSError, match="Connect call failed"):
        await ActivityEnvironment().run(expiring.expire_page, before)
    await dispatch.close()


async def test_a_schedule_waits_for_a_server_that_is_away() -> None:
    nobody = await connect({"target_host": "127.0.0.1:1"})
    with pytest.raises(EngineAway):
        await ensure_schedule(nobody, "retention", retention_schedule("cks"))


async def run_script(owner: AsyncEngine, script: str) -> None:
    async with owner.begin() as connection:
        raw = await connection.get_raw_connection()
        assert raw.driver_connection
        await raw.driver_connection.execute(script)
