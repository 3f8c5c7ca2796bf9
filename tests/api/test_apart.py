"""API and loops as two programs: each answers for itself, and outlives the other."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import ClientConnectionError, ClientSession
from yarl import URL

from cks.db.admin.tenants import Founded
from tests.conftest import Urls
from tests.support.client import Client
from tests.support.servers import free_ports

ROOT = Path(__file__).parents[2]
SECONDS = 20
OF_LOOPS = {"relay", "reconciler", "deadlines"}
PASSES = "cks_loop_last_pass_seconds{"


class Program:
    """``python -m NAME`` and its operators' port; Temporal is away."""

    def __init__(self, name: str, surroundings: dict[str, str], http: ClientSession) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", name], env=surroundings, cwd=ROOT, stderr=subprocess.DEVNULL
        )
        port = surroundings["CKS_OPS_PORT"]
        self.operator = Client(http, URL(f"http://127.0.0.1:{port}"), None)

    async def checks(self) -> set[str]:
        """Return what it looks at, once it does."""
        async with asyncio.timeout(SECONDS):
            while True:
                with suppress(ClientConnectionError):
                    return set((await self.operator.get("/readyz")).body["checks"])
                await asyncio.sleep(0.05)

    async def counts(self) -> str:
        return str((await self.operator.get("/metrics")).body)


@contextmanager
def running(name: str, surroundings: dict[str, str], http: ClientSession) -> Iterator[Program]:
    program = Program(name, surroundings, http)
    try:
        yield program
    finally:
        program.process.kill()
        program.process.wait()


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


@pytest.fixture
def surroundings(urls: Urls) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("CKS_", "TEMPORAL_"))}
    logins = {"CKS_APP_DATABASE_URL": urls.app, "CKS_DISPATCH_DATABASE_URL": urls.dispatch}
    apart = {"CKS_API_RUNS_LOOPS": "false", "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    return inherited | logins | apart


async def test_each_answers_for_itself_and_outlives_the_other(
    surroundings: dict[str, str], http: ClientSession, founded: Founded
) -> None:
    port, of_api, of_loops = map(str, free_ports(3))
    here = surroundings | {"CKS_API_PORT": port, "CKS_OPS_PORT": of_api}
    there = surroundings | {"CKS_API_PORT": port, "CKS_OPS_PORT": of_loops}
    tenant = Client(http, URL(f"http://127.0.0.1:{port}"), founded.token)
    with running("api.background", there, http) as loops:
        assert await loops.checks() >= OF_LOOPS
        with pytest.raises(ClientConnectionError):
            await tenant.get("/v1/me")
        with running("api", here, http) as api:
            assert (await api.checks()).isdisjoint(OF_LOOPS)
            assert PASSES in await loops.counts()
            assert PASSES not in await api.counts()
            loops.process.kill()
            assert (await tenant.order())["status"] == "pending"
            assert "cks_relay_oldest_undelivered_seconds" in await api.counts()
            api.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(api.process.wait, SECONDS) == 0


async def test_the_loops_end_when_asked(surroundings: dict[str, str], http: ClientSession) -> None:
    there = surroundings | {"CKS_OPS_PORT": str(free_ports(1)[0])}
    with running("api.background", there, http) as loops:
        await loops.checks()
        loops.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(loops.process.wait, SECONDS) == 0
