"""Distributes the database's announcements to the readers that wait in this process."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from cks.db.listening import listen

PAUSE_SECONDS = 1.0
"""The pause before listening again after a connection was lost."""


class Announcements:
    """Wakes readers that wait for an operation, or for anything of a tenant.

    They are woken too often rather than too rarely, since they read the rows themselves.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def about(self, key: UUID) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever something about ``key`` is announced.

        ``key`` is the id of an operation or a tenant.  Clear it, read, then wait: clearing it after
        the read would lose an announcement in between.
        """
        event = asyncio.Event()
        self._waiting[key].add(event)
        try:
            yield event
        finally:
            self._waiting[key].discard(event)
            if not self._waiting[key]:
                del self._waiting[key]

    async def listen(self) -> None:
        """Listen until the connection ends, which wakes everybody; raise what ended it."""
        try:
            async for said in listen(self._url):
                self._wake(said.operation_id)
                self._wake(said.tenant_id)
        finally:
            for key in list(self._waiting):
                self._wake(key)

    def _wake(self, key: UUID) -> None:
        for event in self._waiting.get(key, ()):
            event.set()
