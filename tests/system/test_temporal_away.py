"""Temporal is stopped before an order and started after it: the order is taken, and waits.

The supervisor of ``make dev`` brings a Temporal of its own back within a second.  So this stack
uses one that the test runs: ``TEMPORAL_ADDRESS`` names a server that is not the stack's.
"""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession
from temporalio.client import Client

from cks.dev import temporal
from tests.support.servers import free_port, open_folder
from tests.system.checker import check
from tests.system.outside import SECONDS, Outside, standing

NAMESPACE = "cks"
AWAY_SECONDS = 5.0
"""How long an order has waited when Temporal returns: several looks of the relay."""
AT_ONCE, SOON = 2, 15
WAITED = "cks_relay_oldest_undelivered_seconds "


class Server:
    """A Temporal server that is stopped and started again with its store."""

    def __init__(self, folder: Path) -> None:
        self._port, self._log = free_port(), folder / "log"
        self._words = temporal.command(
            temporal.find(), folder / "temporal.db", self._port, free_port(), NAMESPACE
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Return when it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._words, stdout=log, stderr=log)
        async with asyncio.timeout(SECONDS):
            while not await self._answers():
                await asyncio.sleep(0.05)

    async def _answers(self) -> bool:
        try:
            await Client.connect(self.address, namespace=NAMESPACE)
        except RuntimeError:
            return False
        return True

    def stop(self) -> None:
        """Return when it has ended."""
        if self._process:
            self._process.terminate()
            self._process.wait(SECONDS)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    with open_folder() as folder:
        server = Server(folder)
        try:
            await server.start()
            yield server
        finally:
            server.stop()


async def waited(outside: Outside) -> float:
    """Return for how long the oldest order has waited for its run, in seconds."""
    url = f"{outside.exports['CKS_OPS_URL']}/metrics"
    async with ClientSession() as http, http.get(url) as answer:
        lines = (await answer.text()).splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(WAITED))


@pytest.mark.trial
async def test_an_order_is_taken_while_temporal_is_away_and_completes_when_it_is_back(
    server: Server,
) -> None:
    async with standing(TEMPORAL_ADDRESS=server.address) as outside:
        server.stop()
        began = time.monotonic()
        operation = await outside.create()
        assert time.monotonic() - began < AT_ONCE
        async with asyncio.timeout(SECONDS):
            while await waited(outside) < AWAY_SECONDS:
                await asyncio.sleep(0.1)
        seen = await outside.until(operation, bool)
        assert (seen["status"], seen["phase"]) == ("pending", "waiting")

        await server.start()
        ended = await outside.until(operation, lambda now: bool(now["done"]), SOON)
        assert ended["status"] == "completed"
        await check(outside.exports, outside.made)
