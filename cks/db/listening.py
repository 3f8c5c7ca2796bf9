"""Receives announcements: one connection that LISTENs, and nothing else.

An announcement says that something was committed, never what: the receiver reads the rows, under
its own tenant.  Announcements while nobody listens are lost (PostgreSQL, NOTIFY), so the end of a
connection counts as an announcement about everything.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from cks.db.operations.events import CHANNEL

ALIVE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Announcement:
    """An operation of a tenant has a new event, its ``seq``-th."""

    tenant_id: UUID
    operation_id: UUID
    seq: int


async def listen(url: str) -> AsyncIterator[Announcement]:
    """Yield announcements until the connection ends; raise what ended it."""
    connection = await asyncpg.connect(url, timeout=5)
    heard: asyncio.Queue[str] = asyncio.Queue()
    try:
        await connection.add_listener(CHANNEL, lambda *said: heard.put_nowait(said[-1]))
        while True:
            try:
                payload = await asyncio.wait_for(heard.get(), ALIVE_SECONDS)
            except TimeoutError:
                # A connection whose server has vanished stays silent: only a query reveals that.
                await connection.execute("SELECT 1", timeout=5)
                continue
            said = json.loads(payload)
            yield Announcement(UUID(said["tenant_id"]), UUID(said["operation_id"]), said["seq"])
    finally:
        connection.terminate()
