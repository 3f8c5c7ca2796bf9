"""The operators' port, and who may run the API at all."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client as TemporalClient

from api.background.loops import Loops, loops_of
from api.background.metrics import Repair
from api.ops import HealthChecks, build_ops
from cks.db.connections import WrongRole, check_role, connect
from cks.db.dispatch import Dispatch
from cks.db.session import Database
from cks.temporal import engine
from cks.temporal.engine import Temporal
from tests.api.conftest import serving
from tests.conftest import Urls
from tests.support.client import Client
from tests.support.servers import PASSWORD, free_port

NOWHERE = "postgresql://cks_app:x@127.0.0.1:1/postgres"
ROOT = Path(__file__).parents[3]
OF_ALL = {"database", "migrations", "undelivered", "temporal"}
"""What every program of the API looks at."""


@pytest.fixture
async def vitals(database: Database, dispatch: Dispatch, temporal: TemporalClient) -> HealthChecks:
    """All is well."""
    reached = Temporal(temporal, "cks")
    return HealthChecks(database, dispatch, reached, loops_of(database, dispatch, reached))


async def away() -> Temporal:
    return Temporal(await engine.connect({"target_host": "127.0.0.1:1"}), "cks")


async def test_it_is_ready_when_all_is_well(vitals: HealthChecks) -> None:
    async with serving(build_ops(vitals)) as operator:
        answer = await operator.get("/readyz")
    assert (answer.status, answer.body["status"]) == (200, "ready")
    well = {name for name, check in answer.body["checks"].items() if check["ok"]}
    assert well == OF_ALL | {"relay", "reconciler", "deadlines"}


async def test_where_no_loops_run_it_answers_for_none(vitals: HealthChecks) -> None:
    async with serving(build_ops(replace(vitals, loops=()))) as operator:
        answer = await operator.get("/readyz")
    assert answer.body["status"] == "ready"
    assert answer.body["checks"].keys() == OF_ALL


async def test_it_is_degraded_but_ready_while_temporal_is_away(vitals: HealthChecks) -> None:
    async with serving(build_ops(replace(vitals, temporal=await away()))) as operator:
        answer = await operator.get("/readyz")
    assert (answer.status, answer.body["status"]) == (200, "degraded")
    assert not answer.body["checks"]["temporal"]["ok"]
    assert answer.body["checks"]["database"]["ok"]


@pytest.fixture
async def nowhere() -> AsyncIterator[Database]:
    database = Database(NOWHERE)
    yield database
    await database.close()


async def test_it_is_down_but_alive_while_the_database_is_away(
    vitals: HealthChecks, nowhere: Database
) -> None:
    async with serving(build_ops(replace(vitals, database=nowhere))) as operator:
        answer, alive = await operator.get("/readyz"), await operator.get("/livez")
    assert (answer.status, answer.body["status"]) == (503, "down")
    assert not answer.body["checks"]["database"]["ok"]
    assert (alive.status, alive.body) == (200, {"status": "alive"})


async def test_it_is_degraded_while_the_relay_is_slow_since_work_is_still_accepted(
    vitals: HealthChecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(vitals.loops, Loops)
    monkeypatch.setattr(vitals.loops.relay, "_passed", time.monotonic() - 60)
    async with serving(build_ops(vitals)) as operator:
        answer = await operator.get("/readyz")
        counted = (await operator.get("/metrics")).body
    assert (answer.status, answer.body["status"]) == (200, "degraded")
    assert not answer.body["checks"]["relay"]["ok"]
    assert 'cks_loop_last_pass_seconds{loop="relay"} 60.' in counted


async def test_every_repair_is_counted_from_nought(vitals: HealthChecks) -> None:
    """A counter that is born with its first event shows no increase."""
    async with serving(build_ops(vitals)) as ops:
        told = (await ops.get("/metrics")).body
    for kind in Repair:
        assert f'cks_reconciler_repairs_total{{kind="{kind}"}}' in told
    assert "cks_http_errors_total " in told


async def test_it_counts_requests_by_route_and_never_by_path(
    vitals: HealthChecks, client: Client
) -> None:
    operation = await client.order()
    await client.get(f"/v1/operations/{operation['id']}")
    await client.get("/v1/nothing-of-ours")
    async with serving(build_ops(vitals)) as operator:
        answer = await operator.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    route = 'method="GET",route="/v1/operations/{operation_id}",status="200"'
    assert f"cks_http_requests_total{{{route}}}" in answer.body
    assert "cks_relay_oldest_undelivered_seconds" in answer.body
    assert operation["id"] not in answer.body
    assert "nothing-of-ours" not in answer.body


async def test_tenants_do_not_see_the_operators_routes(client: Client) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        assert (await client.get(path)).status == 404


async def test_the_logins_of_the_api_are_weak_enough(urls: Urls) -> None:
    for url in (urls.app, urls.dispatch):
        await checked(url)


async def checked(url: str) -> None:
    async with AsyncExitStack() as stack:
        login = connect(url, 1, weak=True)
        stack.push_async_callback(login.dispose)
        await check_role(login)


async def test_a_superuser_is_too_strong(urls: Urls) -> None:
    with pytest.raises(WrongRole, match="superuser"):
        await checked(urls.owner)


@pytest.mark.parametrize(
    ("power", "said"), [("IN ROLE cks_owner", "owner"), ("BYPASSRLS", "exempt")]
)
async def test_so_is_an_owner_and_who_bypasses_row_security(
    urls: Urls, owner: AsyncEngine, power: str, said: str
) -> None:
    create = sa.text(f"CREATE ROLE too_strong LOGIN PASSWORD '{PASSWORD}' {power}")
    async with owner.begin() as connection:
        await connection.execute(create)
    try:
        with pytest.raises(WrongRole, match=said):
            await checked(urls.owner.replace("postgres:", "too_strong:", 1))
    finally:
        async with owner.begin() as connection:
            await connection.execute(sa.text("DROP ROLE too_strong"))


@pytest.fixture
def surroundings(urls: Urls) -> dict[str, str]:
    ports = {"CKS_API_PORT": str(free_port()), "CKS_OPS_PORT": str(free_port())}
    logins = {"CKS_APP_DATABASE_URL": urls.app, "CKS_DISPATCH_DATABASE_URL": urls.dispatch}
    return os.environ | ports | logins | {"TEMPORAL_ADDRESS": "127.0.0.1:1"}


@pytest.mark.parametrize("program", ["api", "api.background"])
@pytest.mark.parametrize("name", ["CKS_APP_DATABASE_URL", "CKS_DISPATCH_DATABASE_URL"])
def test_neither_program_starts_as_a_superuser(
    surroundings: dict[str, str], urls: Urls, name: str, program: str
) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", program],
        env=surroundings | {name: urls.owner},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 1
    (line,) = (ran.stdout + ran.stderr).splitlines()
    assert "postgres is a superuser" in line


async def test_no_connection_of_a_superuser_is_ever_lent(urls: Urls) -> None:
    """Also where the database came only after the start, when nobody asks any more."""
    database = Database(urls.owner)
    with pytest.raises(WrongRole, match="superuser"):
        async with database.begin(uuid4()):
            pytest.fail("lent")
    await database.close()
