"""``cks admin operation list``, run as an operator runs it; each test has its own database."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import click
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from cks.cli.admin import operations
from cks.db.models.operations import Operation, OperationStep
from cks.domain.instants import rfc3339
from cks.domain.operations.attention import Why
from cks.domain.operations.lifecycle import Ending, OperationStatus
from tests.cli.conftest import found, outside
from tests.support.rows import an_operation

Line = dict[str, Any]

MANY = """
INSERT INTO operations (tenant_id, type, status, resource_type, resource_id, progress, completed_at)
SELECT :tenant, 'cluster.create', 'completed', 'cluster', gen_random_uuid(), 100, now()
  FROM generate_series(1, 2000)
"""
STEPS_OF_MANY = """
INSERT INTO operation_steps
  (tenant_id, operation_id, position, name, title, weight, orphaned_at, undone_at)
SELECT tenant_id, id, position, 'step:' || position, 'A step', 1, swept, swept
  FROM operations, generate_series(0, 5) AS position,
       LATERAL (SELECT CASE position WHEN 0 THEN now() END AS swept) AS sweep
"""
OTHERS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend'
   AND pid <> pg_backend_pid()
"""
READ = """
SELECT sum(seq_tup_read)::int AS row_by_row, sum(idx_scan)::int AS by_index
  FROM pg_stat_user_tables WHERE relname IN ('operations', 'operation_steps')
"""


def well(tenant: UUID, now: datetime) -> Operation:
    """Return an operation that was taken a minute ago and goes its way."""
    operation = an_operation(tenant)
    operation.resource_name = "blue"
    operation.cluster_id = operation.resource_id
    operation.workflow_id = f"cluster.create/{operation.id}"
    operation.status = OperationStatus.RUNNING
    operation.created_at = operation.runnable_at = now - timedelta(seconds=61)
    operation.started_at = operation.dispatched_at = now - timedelta(seconds=60)
    operation.updated_at = now
    operation.forward_until = now + timedelta(hours=1)
    operation.deadline_at = now + timedelta(hours=2)
    return operation


def a_step(operation: Operation, name: str, position: int = 0) -> OperationStep:
    return OperationStep(
        tenant_id=operation.tenant_id,
        operation_id=operation.id,
        position=position,
        name=name,
        title=name,
        weight=1,
    )


async def store(engine: AsyncEngine, *rows: Operation | OperationStep) -> None:
    """Write operations, and the steps that come after theirs."""
    async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
        for row in rows:
            session.add(row)
            await session.flush()


async def operation_list(url: str, *flags: str) -> Result:
    group = click.Group("admin")
    operations.register(group)
    words = ("operation", "list", *flags)
    environment = {"CKS_DATABASE_URL": url}
    return await asyncio.to_thread(CliRunner().invoke, group, words, env=environment)


async def listed(url: str, *flags: str) -> list[Line]:
    ran = await operation_list(url, *flags)
    assert ran.exit_code == 0, ran.stderr
    assert ran.stderr == ""
    return [json.loads(line) for line in ran.stdout.splitlines()]


async def test_a_line_tells_all_that_leads_on(
    url: str, engine: AsyncEngine, acme: UUID, now: datetime
) -> None:
    operation = well(acme, now)
    await store(engine, operation, a_step(operation, "network"))
    assert await listed(url) == [
        {
            "tenant_id": str(acme),
            "tenant": "acme",
            "operation_id": str(operation.id),
            "type": "cluster.create",
            "status": "running",
            "phase": "forward",
            "progress": 0,
            "why": [],
            "resource_type": "cluster",
            "resource_id": str(operation.resource_id),
            "resource_name": "blue",
            "cluster_id": str(operation.cluster_id),
            "created_at": rfc3339(now - timedelta(seconds=61)),
            "started_at": rfc3339(now - timedelta(seconds=60)),
            "deadline_at": rfc3339(now + timedelta(hours=2)),
            "workflow_id": f"cluster.create/{operation.id}",
            "step": None,
            "last_error": None,
            "orphans": [],
        }
    ]
    assert await listed(url, "--stuck") == []


async def test_every_tenants_live_operations_are_listed_oldest_first_and_none_that_ended(
    url: str, engine: AsyncEngine, acme: UUID, now: datetime
) -> None:
    globex = await found(url, "globex")
    younger, older, ended = well(acme, now), well(globex, now), well(acme, now)
    older.created_at = older.started_at = now - timedelta(hours=1)
    older.status = OperationStatus.PENDING
    ended.status, ended.progress, ended.completed_at = OperationStatus.COMPLETED, 100, now
    await store(engine, younger, older, ended)
    told = [(line["tenant"], line["operation_id"], line["phase"]) for line in await listed(url)]
    assert told == [
        ("globex", str(older.id), "waiting"),
        ("acme", str(younger.id), "forward"),
    ]
    assert (await listed(url))[0]["started_at"] is None


@pytest.mark.parametrize("why", Why)
async def test_a_stuck_operation_is_listed_with_the_reason(
    url: str, engine: AsyncEngine, acme: UUID, now: datetime, why: Why
) -> None:
    stuck, fine = well(acme, now), well(acme, now)
    step = a_step(stuck, "network")
    match why:
        case Why.DEADLINE_PASSED:
            stuck.deadline_at = now - timedelta(seconds=1)
            stuck.forward_until = now - timedelta(seconds=2)
        case Why.NOT_STARTED:
            stuck.dispatched_at = None
        case Why.LONG_UNDO:
            stuck.ending, stuck.forward_until = Ending.CANCELLED, now - timedelta(seconds=301)
        case Why.SILENT:
            stuck.updated_at = now - timedelta(seconds=901)
        case Why.STEP_FAILING:
            step.failing_since, step.last_error = now - timedelta(seconds=61), "503"
    await store(engine, stuck, step, fine)
    told = [(line["operation_id"], line["why"]) for line in await listed(url, "--stuck")]
    assert told == [(str(stuck.id), [why])]
    assert len(await listed(url)) == 2


async def test_of_several_reasons_the_gravest_is_told_first(
    url: str, engine: AsyncEngine, acme: UUID, now: datetime
) -> None:
    stuck = well(acme, now)
    stuck.status, stuck.dispatched_at = OperationStatus.PENDING, None
    stuck.updated_at = now - timedelta(hours=1)
    await store(engine, stuck)
    (line,) = await listed(url, "--stuck")
    assert line["why"] == ["not_started", "silent"]


async def test_the_step_that_fails_longest_is_named_with_its_error(
    url: str, engine: AsyncEngine, acme: UUID, now: datetime
) -> None:
    stuck = well(acme, now)
    done, short, long = (a_step(stuck, f"node_pool:{n}", n) for n in range(3))
    done.last_error = "it failed before, and works again"
    short.failing_since, short.last_error = now - timedelta(seconds=62), "refused"
    long.failing_since, long.last_error = now - timedelta(seconds=63), "no answer"
    await store(engine, stuck, done, short, long)
    (line,) = await listed(url, "--stuck")
    assert (line["step"], line["last_error"]) == ("node_pool:2", "no answer")


async def test_the_orphans_of_an_ended_operation_are_named_until_they_are_gone(
    url: str, engine: AsyncEngine, acme: UUID, now: datetime
) -> None:
    left, swept = well(acme, now), well(acme, now)
    for operation in (left, swept):
        operation.status, operation.ending = OperationStatus.FAILED, Ending.FAILED
        operation.error, operation.completed_at = "It failed.", now
    network, pool, undone = (
        a_step(left, name, position)
        for position, name in enumerate(("network", "node_pool:default", "control_plane"))
    )
    pool.resource_id = uuid4()
    gone = a_step(swept, "network")
    for step in (network, pool, undone, gone):
        step.orphaned_at = now
    undone.undone_at = gone.undone_at = now
    await store(engine, left, network, pool, undone, swept, gone, well(acme, now))

    (line,) = await listed(url, "--orphans")
    assert (line["operation_id"], line["phase"], line["why"]) == (str(left.id), "done", [])
    since = rfc3339(now)
    assert line["orphans"] == [
        {"kind": "network", "id": str(left.cluster_id), "name": "blue", "since": since},
        {"kind": "node_pool", "id": str(pool.resource_id), "name": "default", "since": since},
    ]


@pytest.mark.parametrize("flags", [(), ("--stuck",), ("--orphans",)])
async def test_where_there_is_nothing_to_look_at_nothing_is_printed(
    url: str, flags: tuple[str, ...]
) -> None:
    ran = await operation_list(url, *flags)
    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, "", "")


async def test_two_lists_at_once_are_refused() -> None:
    ran = await operation_list("", "--stuck", "--orphans")
    assert ran.exit_code == 2
    assert ran.stdout == ""
    assert "ask for one" in ran.stderr


@pytest.mark.parametrize("there", ["", "postgresql://nobody:wrong@127.0.0.1:1/postgres"])
@pytest.mark.parametrize("flags", [(), ("--stuck",), ("--orphans",)])
async def test_without_a_database_one_line_names_the_ways_to_one(
    there: str, flags: tuple[str, ...]
) -> None:
    ran = await operation_list(there, *flags)
    assert ran.exit_code == 1
    assert ran.stdout == ""
    assert "Start `make dev`, or set CKS_DATABASE_URL." in ran.stderr
    assert ran.stderr.count("\n") == 1


async def test_no_list_reads_through_what_has_ended(
    url: str, engine: AsyncEngine, acme: UUID, now: datetime
) -> None:
    async with engine.begin() as connection:
        await connection.execute(sa.text(MANY), {"tenant": acme})
        await connection.execute(sa.text(STEPS_OF_MANY))
    live, left = well(acme, now), well(acme, now)
    left.status, left.completed_at, left.error = OperationStatus.FAILED, now, "It failed."
    orphan = a_step(left, "network")
    orphan.orphaned_at = now
    await store(engine, live, a_step(live, "network"), left, orphan)
    await outside(engine, "ANALYZE")
    rows, scans = await reading(engine)
    for flags in ((), ("--stuck",), ("--orphans",)):
        assert len(await listed(url, *flags)) == (flags != ("--stuck",))
    rows_after, scans_after = await reading(engine)
    assert scans_after > scans
    assert rows_after == rows


async def reading(engine: AsyncEngine) -> tuple[int, int]:
    """Return how many rows were read one after the other, and how often an index was.

    A session counts its reads when it ends, so the others' end is waited for.
    """
    async with asyncio.timeout(10), engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        while await connection.scalar(sa.text(OTHERS)):
            await asyncio.sleep(0.05)
        # Our own connection is lent again and again, and would count what it read when it likes.
        await connection.execute(sa.text("SELECT pg_stat_force_next_flush()"))
        row = (await connection.execute(sa.text(READ))).one()
        return row.row_by_row, row.by_index
