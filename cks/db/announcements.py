"""Fans out what the database announces to the readers that wait in this process."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from cks.db.listening import listen

PAUSE_SECONDS = 1

log = logging.getLogger("cks.api")


class Announcements:
    """Wakes whoever waits for an operation, or for anything of a tenant.

    A waiter is woken too often rather than too seldom: it looks at the rows itself.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def about(self, key: UUID) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever something about ``key`` was announced.

        ``key`` is an operation's id or a tenant's.  Clear it, look, then wait for it.
        """
        event = asyncio.Event()
        self._waiting[key].add(event)
        try:
            yield event
        finally:
            self._waiting[key].discard(event)
            if not self._waiting[key]:
                del self._waiting[key]

    async def run(self) -> None:
        """Listen until cancelled; a lost connection wakes everybody and is made anew."""
        while True:
            try:
                async for said in listen(self._url):
                    self._wake(said.operation_id)
                    self._wake(said.tenant_id)
            except Exception as error:  # noqa: BLE001  (whatever it was, we listen again)
                log.warning("not listening: %s", error or type(error).__name__)
            for key in list(self._waiting):
                self._wake(key)
            await asyncio.sleep(PAUSE_SECONDS)

    def _wake(self, key: UUID) -> None:
        for event in self._waiting.get(key, ()):
            event.set()
