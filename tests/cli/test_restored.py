"""After a restore: fences, events, and what rows and cloud disagree about."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.cli.main import operators
from cks.db.admin import after_restore
from cks.db.admin.after_restore import Mended, What
from cks.db.connections import connect
from cks.providers.simulated.client import SimulatedCloud
from tests.cli.conftest import found
from tests.support.simulator import simulator
from tests.support.specs import network, pool, raise_control_plane, raise_pool

DRAWERS, DRAWS = 8, 40
DRAW = sa.text("SELECT draw_fence()")
SET_BACK = sa.text("SELECT setval('fences', 5)")
CLUSTER = sa.text("""
INSERT INTO clusters (id, tenant_id, name, version, status, networking, tags)
VALUES (:id, :tenant, :name, '1.35.8', :status, '{}', '{}')
""")
OPERATION = sa.text("""
INSERT INTO operations (tenant_id, type, status, resource_type, resource_id, cluster_id)
VALUES (:tenant, 'cluster.create', 'running', 'cluster', :cluster, :cluster) RETURNING id
""")
ORPHAN = sa.text("""
WITH ended AS (
  INSERT INTO operations (tenant_id, type, status, resource_type, resource_id, cluster_id,
                          completed_at, error)
  VALUES (:tenant, 'cluster.create', 'failed', 'cluster', :cluster, :cluster, now(), 'no')
  RETURNING id
)
INSERT INTO operation_steps (tenant_id, operation_id, position, name, title, weight, orphaned_at)
SELECT :tenant, id, 0, 'network', 'Create the network', 1, now() FROM ended
""")
AHEAD = sa.text("""
INSERT INTO operation_events (tenant_id, operation_id, seq, xid, event)
SELECT :tenant, :operation, n, CAST('900000000000' AS xid8), '{}' FROM generate_series(1, 3) AS n
""")


async def scalar(engine: AsyncEngine, query: sa.TextClause, **said: object) -> Any:
    async with engine.begin() as connection:
        return await connection.scalar(query, said)


async def add_cluster(engine: AsyncEngine, tenant: UUID, status: str) -> UUID:
    cluster_id = uuid4()
    names = {"id": cluster_id, "tenant": tenant, "name": f"c{cluster_id.hex[:6]}", "status": status}
    async with engine.begin() as connection:
        await connection.execute(CLUSTER, names)
    return cluster_id


async def test_a_fence_drawn_after_a_restore_outranks_all_before_it(engine: AsyncEngine) -> None:
    before = await scalar(engine, DRAW)
    await scalar(engine, SET_BACK)
    after = await scalar(engine, DRAW)
    assert after > before
    assert await scalar(engine, DRAW) == after + 1


async def test_no_two_draw_the_same_while_the_sequence_is_raised(
    url: str, engine: AsyncEngine
) -> None:
    before = await scalar(engine, DRAW)
    await scalar(engine, SET_BACK)
    drawers = connect(url, pool_size=DRAWERS)

    async def draw() -> list[int]:
        return [await scalar(drawers, DRAW) for _ in range(DRAWS)]

    drawn = await asyncio.gather(*(draw() for _ in range(DRAWERS)))
    await drawers.dispose()
    assert all(one == sorted(one) for one in drawn)
    assert len(set().union(*drawn)) == DRAWERS * DRAWS
    assert min(map(min, drawn)) > before


async def test_events_from_a_server_that_was_further_are_told_again(
    url: str, engine: AsyncEngine
) -> None:
    tenant = await found(url, "acme")
    operation = await scalar(engine, OPERATION, tenant=tenant, cluster=uuid4())
    async with engine.begin() as connection:
        await connection.execute(AHEAD, {"tenant": tenant, "operation": operation})
    assert await after_restore.mend(url) == Mended(events=3)
    assert await after_restore.mend(url) == Mended(events=0)


async def test_what_lives_is_a_stray_unless_a_row_says_that_it_should(
    url: str, engine: AsyncEngine
) -> None:
    tenant = await found(url, "acme")
    running, failed, unmade, left, gone = [
        await add_cluster(engine, tenant, status)
        for status in ("running", "failed", "failed", "failed", "running")
    ]
    await scalar(engine, OPERATION, tenant=tenant, cluster=unmade)
    async with engine.begin() as connection:
        await connection.execute(ORPHAN, {"tenant": tenant, "cluster": left})
    unknown = uuid4()
    told = await after_restore.compare(url, {running, failed, unmade, left, unknown})
    expected = {
        (What.STRAY, failed),
        (What.STRAY, unknown),
        (What.ORPHANED, left),
        (What.MISSING, gone),
    }
    assert {(one.what, one.cluster_id) for one in told} == expected
    assert {one.tenant_id for one in told} == {tenant, None}


async def cks_admin(url: str, cloud: str, *words: str) -> Result:
    environment = {
        "CKS_DATABASE_URL": url,
        "CKS_SIMULATOR_URL": cloud,
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "CKS_DEV_DIR": "/nowhere",
    }
    return await asyncio.to_thread(CliRunner().invoke, operators, words, env=environment)


async def test_a_stray_is_named_and_removed_and_nothing_else_is(
    url: str, engine: AsyncEngine
) -> None:
    tenant = await found(url, "acme")
    ordered, stray = await add_cluster(engine, tenant, "running"), uuid4()
    async with simulator(speed=20000) as address:
        provider = SimulatedCloud(address)
        await provider.ensure_network(network(ordered), 1)
        await raise_control_plane(provider, stray)
        await raise_pool(provider, pool(stray, uuid4()))

        named = await cks_admin(url, address, "cloud", "compare")
        assert named.exit_code == 1
        (line,) = map(json.loads, named.output.splitlines())
        assert (line["what"], line["cluster_id"]) == ("stray", str(stray))

        refused = await cks_admin(url, address, "cloud", "remove", str(ordered))
        assert refused.exit_code == 1
        assert "is still needed" in refused.output
        assert (await cks_admin(url, address, "cloud", "remove", str(stray))).exit_code == 0
        assert await provider.list_clusters() == [ordered]
        again = await cks_admin(url, address, "cloud", "compare")
        assert (again.exit_code, again.output) == (0, "")
        await provider.close()


async def test_the_database_is_mended_by_a_command(url: str) -> None:
    done = await cks_admin(url, "http://127.0.0.1:1", "database", "after-restore")
    assert json.loads(done.output) == {"events": 0}


@pytest.mark.parametrize("words", [("compare",), ("remove", str(uuid4()))])
async def test_a_cloud_that_is_away_is_one_line(url: str, words: tuple[str, ...]) -> None:
    refused = await cks_admin(url, "http://127.0.0.1:1", "cloud", *words)
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: the cloud did not answer")
