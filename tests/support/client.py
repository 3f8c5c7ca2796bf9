"""A tenant's client, as small as it can be: it speaks for one token."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aiohttp import ClientResponse, ClientSession
from multidict import CIMultiDictProxy
from yarl import URL

CLUSTERS = "/v1/clusters"
UNSAID = b"<no body>"


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is parsed JSON, or the text of what is no JSON."""

    status: int
    headers: CIMultiDictProxy[str]
    body: Any

    @property
    def code(self) -> str:
        return str(self.body["code"])

    @property
    def faults(self) -> dict[str, str]:
        """Return pointer → code of every wrong field."""
        return {fault["pointer"]: fault["code"] for fault in self.body["errors"]}


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    data: Any


@dataclass(frozen=True, slots=True)
class Stream:
    """Server-sent events, as they come."""

    response: ClientResponse

    async def next(self, seconds: float = 5) -> Event | None:
        """Return the next event, or ``None`` at the stream's end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(seconds):
            async for line in self.response.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                elif "data" in fields:
                    return Event(fields["id"], json.loads(fields["data"]))
        return None

    async def rest(self, seconds: float = 5) -> list[Event]:
        """Return all events up to the stream's end."""
        return [event async for event in self._rest(seconds)]

    async def _rest(self, seconds: float) -> AsyncIterator[Event]:
        while event := await self.next(seconds):
            yield event


@dataclass(frozen=True, slots=True)
class Client:
    http: ClientSession
    url: URL
    token: str | None

    async def call(
        self, method: str, path: str, body: Any = UNSAID, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send ``body`` as JSON, or as it is if it is bytes."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        said = {"Content-Type": "application/json"} if body is not UNSAID else {}
        async with self.http.request(
            method,
            self._at(path),
            data=None if body is UNSAID else io.BytesIO(sent),
            headers=self._who() | said | (headers or {}),
        ) as response:
            text = await response.text()
            parsed = json.loads(text) if "json" in response.content_type and text else text
            return Answer(response.status, response.headers, parsed)

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.call("GET", path, headers=headers)

    async def post(
        self, path: str, body: Any = UNSAID, headers: dict[str, str] | None = None
    ) -> Answer:
        return await self.call("POST", path, body, headers)

    async def order(self, **changes: Any) -> Any:
        """Order a cluster that will be accepted, and return its operation."""
        answer = await self.post(CLUSTERS, order(**changes))
        assert answer.status == 202, answer.body
        return answer.body

    async def cancel(self, operation: Any) -> Answer:
        return await self.post(f"/v1/operations/{operation['id']}:cancel")

    @asynccontextmanager
    async def stream(self, path: str, last_id: str | None = None) -> AsyncIterator[Stream]:
        resumed = {"Last-Event-ID": last_id} if last_id else {}
        async with self.http.get(self._at(path), headers=self._who() | resumed) as response:
            yield Stream(response)

    def _at(self, path: str) -> URL:
        return URL(f"{self.url}{path}", encoded=True)

    def _who(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def order(**changes: Any) -> dict[str, Any]:
    """Return a cluster that can be ordered."""
    return {"name": a_name(), "version": "1.35", "node_pools": [pool()], **changes}


def pool(name: str = "default", **changes: Any) -> dict[str, Any]:
    size = {"node_count": 2, "min_nodes": 1, "max_nodes": 3}
    return {"name": name, "instance_type": "m5.large", "disk_size": 50, **size, **changes}


def a_name() -> str:
    return f"c{uuid4().hex[:12]}"
