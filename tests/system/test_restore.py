"""PostgreSQL is restored from a dump that is ten minutes old, under running operations.

Ten minutes of a real cloud: the simulated one is sixty times faster.  What the dump knows ends
once, and right; what it does not know is named, and removed by hand.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
from temporalio.client import Client

from cks.dev.postgres import find
from tests.support.servers import free_port
from tests.system.checker import check
from tests.system.findings import Finder
from tests.system.outside import SECONDS, Body, Outside, standing

AGE_SECONDS = 10.0
"""How old the dump is: ten minutes, sixty times faster."""
OURS = ("api", "worker")
LOST = "SELECT resource_id FROM activity_logs WHERE action = 'operations.row_lost'"

pytestmark = pytest.mark.trial


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    async with standing() as outside:
        yield outside


def postgres(outside: Outside, program: str, *words: str) -> None:
    """Run a program of PostgreSQL as the superuser, on the stack's server."""
    url = urlsplit(outside.exports["CKS_DATABASE_URL"])
    where = {"PGHOST": str(url.hostname), "PGPORT": str(url.port), "PGUSER": str(url.username)}
    path = find(Path("/nowhere"), free_port()).bin / program
    surroundings = os.environ | where | {"PGPASSWORD": str(url.password)}
    subprocess.run([path, *words], env=surroundings, check=True, timeout=SECONDS)


def database_of(outside: Outside) -> str:
    return urlsplit(outside.exports["CKS_DATABASE_URL"]).path.lstrip("/")


def admin(outside: Outside, *words: str) -> tuple[int, list[dict[str, Any]]]:
    """Run ``cks admin``; return its status, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "cks.cli", "admin", *words],
        env=os.environ | outside.exports,
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert not done.stderr, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return done.returncode, [json.loads(line) for line in lines]


async def restore(outside: Outside, dump: Path) -> None:
    """Do as docs/operating.md says: stop ours, restore beside, swap, mend, start ours."""
    database, url = database_of(outside), outside.exports["CKS_DATABASE_URL"]
    for program in OURS:
        outside.send(program, signal.SIGSTOP)
    postgres(outside, "createdb", "restored")
    postgres(outside, "pg_restore", "--exit-on-error", "--dbname=restored", str(dump))
    connection = await asyncpg.connect(urlsplit(url)._replace(path="/template1").geturl())
    try:
        await connection.execute(f"DROP DATABASE {database} WITH (FORCE)")
        await connection.execute(f"ALTER DATABASE restored RENAME TO {database}")
    finally:
        await connection.close()
    assert admin(outside, "database", "after-restore")[0] == 0
    outside.kill(*OURS)
    await outside.back()


async def open_runs(outside: Outside) -> list[str]:
    address, namespace = outside.exports["TEMPORAL_ADDRESS"], outside.exports["TEMPORAL_NAMESPACE"]
    temporal = await Client.connect(address, namespace=namespace)
    query = "ExecutionStatus = 'Running' AND WorkflowType = 'ProvisionCluster'"
    return [run.id async for run in temporal.list_workflows(query)]


async def highest_fence(outside: Outside) -> int:
    calls = (await Finder(outside.exports).ledger()).calls
    return max(call.fence or 0 for call in calls)


async def status_of(outside: Outside, operation: Body) -> int:
    return (await outside.tenant.get(f"/v1/operations/{operation['id']}")).status


async def test_each_disagreement_is_settled_or_named(outside: Outside, tmp_path: Path) -> None:
    done = await outside.ended(await outside.create())
    forward, turned = await asyncio.gather(outside.half_done(), outside.half_done())
    await outside.tenant.cancel(turned)
    await outside.until(turned, lambda now: now["phase"] == "compensating")
    outside.send("worker", signal.SIGSTOP)
    fresh = await outside.create()
    dump = tmp_path / "dump"
    began = time.monotonic()
    postgres(outside, "pg_dump", "--format=custom", f"--file={dump}", database_of(outside))
    outside.send("worker", signal.SIGCONT)

    known = (done, forward, turned, fresh)
    statuses = ["completed", "completed", "cancelled", "completed"]
    ended = await asyncio.gather(*map(outside.ended, known))
    assert [one["status"] for one in ended] == statuses
    lost = await outside.ended(await outside.create())
    under_way = await outside.half_done()
    await asyncio.sleep(began + AGE_SECONDS - time.monotonic())
    seen = await highest_fence(outside)
    await restore(outside, dump)

    ended = await asyncio.gather(*map(outside.ended, known))
    assert [one["status"] for one in ended] == statuses
    assert await status_of(outside, lost) == await status_of(outside, under_way) == 404
    await check_fences(outside, fresh, above=seen)
    async with asyncio.timeout(SECONDS):
        while await open_runs(outside):
            await asyncio.sleep(0.2)

    assert await logged(outside) == {lost["resource_id"], under_way["resource_id"]}
    status, named = admin(outside, "cloud", "compare")
    strays = [line["cluster_id"] for line in named if line.get("what") == "stray"]
    assert (status, set(strays)) == (1, {lost["resource_id"], under_way["resource_id"]})
    traced = {line["operation_id"] for line in named if "workflow_id" in line}
    assert traced == {lost["id"], under_way["id"]}
    for stray in strays:
        assert admin(outside, "cloud", "remove", stray)[0] == 0
    assert admin(outside, "cloud", "compare") == (0, [])
    await check(outside.exports, [one["id"] for one in known])


async def logged(outside: Outside) -> set[str]:
    """Return the clusters of the operations that the activity log calls lost, when two are."""
    connection = await asyncpg.connect(outside.exports["CKS_DATABASE_URL"])
    try:
        async with asyncio.timeout(SECONDS):
            while len(found := await connection.fetch(LOST)) < 2:
                await asyncio.sleep(0.2)
    finally:
        await connection.close()
    return {str(row["resource_id"]) for row in found}


async def check_fences(outside: Outside, operation: Body, above: int) -> None:
    """What was done again after the restore was done above all that the cloud had seen."""
    ledger = await Finder(outside.exports).ledger()
    cluster = UUID(operation["resource_id"])
    fences = [call.fence or 0 for call in ledger.calls if call.cluster_id == cluster]
    assert max(fences) > above
