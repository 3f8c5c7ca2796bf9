"""A load over HTTP/1.1, lean enough that the server is what is measured.

Each connection sends a request, waits for the whole answer and sends the next; nothing of the
answer is looked at but its status and its length.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CONNECTIONS = 16
END = b"\r\n\r\n"
LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, and which status each is to be answered with."""

    port: int
    status: int


def request(method: str, path: str, token: str = "", body: bytes = b"") -> bytes:
    """Return a request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + END + body


class Line(asyncio.Protocol):
    """One connection: a request, its answer, the next request, until told to stop."""

    def __init__(self, requests: Iterator[bytes], target: Target) -> None:
        self.done = 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._target = target
        self._got = bytearray()
        self._until = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def begin(self, until: float) -> None:
        self._until = until
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, rest = self._got.partition(END)
        if not end or len(rest) < _length(head):
            return
        status = int(head[9:12])
        if status != self._target.status:
            self._fail(RuntimeError(f"answered {status}: {bytes(rest[:300])!r}"))
            return
        self._got.clear()
        self.done += 1
        if time.perf_counter() < self._until:
            self._send()
        elif not self.over.done():
            self.over.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionError("the server closed the connection"))

    def _fail(self, error: Exception) -> None:
        if not self.over.done():
            self.over.set_exception(error)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()


def _length(head: bytearray) -> int:
    small = head.lower()
    at = small.index(LENGTH) + len(LENGTH)
    return int(small[at:].split(b"\r\n", 1)[0])


async def press(target: Target, requests: Sequence[Iterator[bytes]], seconds: float) -> float:
    """Send for so long over a connection for each iterator; return answers per second."""
    lines = [await _connected(target, one) for one in requests]
    began = time.perf_counter()
    for line in lines:
        line.begin(began + seconds)
    await asyncio.gather(*(line.over for line in lines))
    taken = time.perf_counter() - began
    for line in lines:
        line.close()
    return sum(line.done for line in lines) / taken


async def _connected(target: Target, requests: Iterator[bytes]) -> Line:
    line = Line(requests, target)
    await asyncio.get_running_loop().create_connection(lambda: line, "127.0.0.1", target.port)
    return line
