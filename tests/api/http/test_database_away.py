"""What tenants and operators see while the database is away, and after."""

import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from api.app import build_app
from cks.db.admin import migrate, tenants
from cks.db.admin.tenants import Founded, NewTenant
from cks.db.connections import connect
from cks.db.session import Database
from cks.dev.postgres import Postgres
from tests.api.conftest import serving, surroundings
from tests.support.client import CLUSTERS, Answer, Client, order
from tests.support.servers import PASSWORD, QUICK, await_server, postgres

NOWHERE = "postgresql://cks_app:x@127.0.0.1:1/postgres"


def is_503(answer: Answer) -> bool:
    if answer.status != 503:
        return False
    assert answer.code == "database_unavailable"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert "127.0.0.1" not in str(answer.body)
    return True


@pytest.fixture
async def lonely(founded: Founded) -> AsyncIterator[Client]:
    """A tenant of an API that has no database."""
    database = Database(NOWHERE)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        app = build_app(surroundings(database, NOWHERE))
        yield replace(await stack.enter_async_context(serving(app)), token=founded.token)


async def test_without_a_database_every_call_may_be_tried_again_later(lonely: Client) -> None:
    for path in (CLUSTERS, f"{CLUSTERS}/name:x", "/v1/events", f"/v1/operations/{uuid4()}?wait=9"):
        assert is_503(await lonely.get(path)), path
    for body in (order(), {}):
        assert is_503(await lonely.post(CLUSTERS, body))
    assert is_503(await lonely.get("/v1/me"))


async def test_garbage_costs_no_query(lonely: Client) -> None:
    garbage = replace(lonely, token=f"{lonely.token}x")
    assert (await garbage.get(CLUSTERS)).status == 401


async def test_the_reference_needs_no_database(lonely: Client) -> None:
    assert (await lonely.get("/openapi.json")).status == 200


@dataclass(slots=True)
class Mortal:
    """A PostgreSQL that can be stopped and started again."""

    server: Postgres
    own: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        pid = int((self.server.data / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, signal.SIGINT)
        if self.own:
            self.own.wait(10)
            self.own = None
        while Path("/proc", str(pid)).exists() and not zombie(pid):
            time.sleep(0.05)

    def start(self) -> None:
        self.own = subprocess.Popen(
            self.server.command(*QUICK),
            user=self.server.user,
            cwd=self.server.data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await_server(self.server, self.own)


def zombie(pid: int) -> bool:
    return ") Z " in Path("/proc", str(pid), "stat").read_text()


@pytest.fixture
def mortal() -> Iterator[Mortal]:
    with postgres() as server:
        mortal = Mortal(server)
        yield mortal
        if mortal.own:
            mortal.stop()


async def until(met: Callable[[Answer], bool], client: Client, seconds: float) -> Answer:
    end = time.monotonic() + seconds
    while True:
        answer = await client.get(CLUSTERS)
        if met(answer):
            return answer
        assert time.monotonic() < end, answer


async def test_it_recovers_by_itself_when_the_database_is_back(mortal: Mortal) -> None:
    owner = mortal.server.url(PASSWORD)
    await migrate.upgrade(owner)
    founded = await tenants.create_tenant(owner, NewTenant("acme", "a@acme.test"))
    await allow(owner)
    url = mortal.server.url(PASSWORD, "cks_app")
    database = Database(url)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        app = build_app(surroundings(database, url))
        client = replace(await stack.enter_async_context(serving(app)), token=founded.token)
        first = await client.order()
        mortal.stop()
        assert is_503(await client.get(CLUSTERS))
        assert is_503(await client.post(CLUSTERS, order()))
        mortal.start()
        back = await until(lambda answer: answer.status == 200, client, 5)
        assert [c["id"] for c in back.body["results"]] == [first["resource_id"]]
        assert (await client.post(CLUSTERS, order())).status == 202


async def allow(owner: str) -> None:
    """Let the application in by a password."""
    async with AsyncExitStack() as stack:
        engine = connect(owner, 1)
        stack.push_async_callback(engine.dispose)
        async with engine.begin() as connection:
            await connection.exec_driver_sql(f"ALTER ROLE cks_app PASSWORD '{PASSWORD}'")
