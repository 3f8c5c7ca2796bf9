"""A stack as those outside see it: a tenant over HTTP; an operator by signals and what it tells."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, ClientTimeout
from yarl import URL

from tests.support.client import Client
from tests.support.servers import open_folder
from tests.support.stack import exports, process_of, running, starts, surroundings_of

SECONDS = 60
"""How long anything may take that has no deadline of its own."""
SOON = 15
"""Within how many seconds of everything being back an operation goes on."""
PATIENCE = ClientTimeout(total=10)

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outside:
    """``made`` are the ids of accepted operations; ``killed`` counts the deaths we brought."""

    folder: Path
    exports: dict[str, str]
    tenant: Client
    made: list[str] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)

    async def create(self) -> Body:
        """Order a cluster that will be accepted, and return its operation."""
        operation: Body = await self.tenant.order()
        self.made.append(operation["id"])
        return operation

    async def look(self, operation: Body) -> Body | None:
        """Return the operation as it is now; ``None`` while nobody answers for it."""
        try:
            answer = await self.tenant.get(f"/v1/operations/{operation['id']}")
        except (ClientError, TimeoutError):
            return None
        return answer.body if answer.status == 200 else None

    async def until(
        self, operation: Body, so: Callable[[Body], bool], seconds: float = SECONDS
    ) -> Body:
        """Return the operation as soon as it is so."""
        end, now = time.monotonic() + seconds, None
        while time.monotonic() < end:
            now = await self.look(operation)
            if now and so(now):
                return now
            await asyncio.sleep(0.05)
        pytest.fail(f"not so after {seconds:.0f} s: {now}")

    async def half_done(self) -> Body:
        """Order a cluster, and return its operation when a step of it is done."""
        return await self.until(await self.create(), lambda now: now["progress"] >= 10)

    async def goes_on(self, operation: Body) -> None:
        """Fail unless everything comes back and, soon after, the operation gets further."""
        back = await self.back()
        before = how_far(await self.until(operation, bool))
        left = back + SOON - time.monotonic()
        await self.until(operation, lambda now: now["done"] or how_far(now) > before, left)

    async def ended(self, operation: Body) -> Body:
        return await self.until(operation, lambda now: bool(now["done"]))

    def kill(self, *programs: str) -> None:
        """End programs at once, as the death of their machine does."""
        for program in programs:
            self.killed[program] += 1
            self.send(program, signal.SIGKILL)

    def send(self, program: str, number: signal.Signals) -> None:
        os.kill(process_of(self.folder, program), number)

    async def back(self) -> float:
        """Wait until all that was killed is ready again; return when (``time.monotonic``)."""
        async with asyncio.timeout(SECONDS):
            while any(starts(self.folder, name) <= count for name, count in self.killed.items()):
                await asyncio.sleep(0.02)
        return time.monotonic()


def how_far(operation: Body) -> tuple[int, int]:
    """Return the progress, and how much was undone; one of them rises when it goes on."""
    undone = [step for step in operation["steps"] if step["status"] == "undone"]
    return operation["progress"], len(undone)


@asynccontextmanager
async def standing(**chosen: str) -> AsyncIterator[Outside]:
    """Run a stack with a cloud that is twice as fast as a developer's; ``chosen`` adds to it."""
    with open_folder() as folder:
        surroundings = surroundings_of(folder) | {"CKS_SIMULATOR_SPEED": "60"} | chosen
        dev = Path(surroundings["CKS_DEV_DIR"])
        with running(surroundings):
            told = exports(dev)
            async with ClientSession(timeout=PATIENCE) as http:
                tenant = Client(http, URL(told["CKS_API_URL"]), told["CKS_TOKEN"])
                yield Outside(dev, told, tenant)
