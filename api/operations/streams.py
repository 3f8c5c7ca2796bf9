"""Server-sent events (WHATWG HTML, "Server-sent events"): what happened to operations, in order.

Events are rows with an order; a stream is a reader's position in it, and the ``Last-Event-ID``
that a client sends back is that position, so nothing is lost.  An announcement only says that
there is something to read.  Every read is authorized anew, so that a stream ends with its token.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from aiohttp import web

from api.http.context import REQUEST_ID
from api.http.endpoint import Visit
from api.http.validation import Query
from api.operations.bodies import OperationBody, operation_body
from cks.db.operations import events, operations
from cks.db.operations.events import Position
from cks.db.operations.views import view_at
from cks.domain.refusals import Declined, Fault, Invalid

EVENT_STREAM = "text/event-stream"
QUIET_SECONDS = 15.0
HELD_BACK_SECONDS, LONGEST_HELD_BACK_SECONDS = 0.5, 5.0
"""An event may stay invisible for as long as any older transaction on the server is open, and
nobody announces the end of that one.  The longer it takes, the less often we look."""
ONE_ID = re.compile(r"[0-9]{1,9}")
ALL_ID = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")

log = logging.getLogger("cks.api")

Event = tuple[str, OperationBody]


@dataclass(frozen=True, slots=True)
class Glance:
    """The events since the last read; whether none will follow; whether some are held back."""

    fresh: Sequence[Event]
    over: bool = False
    held_back: bool = False


Look = Callable[[], Awaitable[Glance]]


async def follow_one(visit: Visit[Query], operation_id: UUID) -> web.StreamResponse:
    """Stream one operation's events, from its first or the ``Last-Event-ID``, to its last."""
    seen = 0
    if resumed := _last_id(visit.request, ONE_ID):
        seen = int(resumed[0])

    async def look() -> Glance:
        nonlocal seen
        async with visit.authorization.open() as inside:
            session = inside.session
            operation = await operations.read(session, operation_id)
            emails = await operations.emails_of(session, {operation.created_by})
            fresh = await events.events_of(session, operation_id, seen)
        speed = visit.context.settings.provider_speed
        bodies = [
            (str(seq), operation_body(view_at(operation, snapshot, emails), speed))
            for seq, snapshot in fresh
        ]
        seen = fresh[-1][0] if fresh else seen
        over = bodies[-1][1].done if bodies else operation.completed_at is not None
        return Glance(bodies, over)

    return await _stream(visit, operation_id, look)


async def follow_all(visit: Visit[Query]) -> web.StreamResponse:
    """Stream all operations' events, from now or the ``Last-Event-ID``, without end.

    An id beyond the newest event is from before a restore of the database: it means now.
    """
    async with visit.authorization.open() as inside:
        seen = await events.horizon(inside.session)
        tenant = inside.caller.tenant_id
    if resumed := _last_id(visit.request, ALL_ID):
        seen = min(seen, Position(int(resumed[1]), int(resumed[2])))

    async def look() -> Glance:
        nonlocal seen
        async with visit.authorization.open() as inside:
            session = inside.session
            held_back = await events.any_held_back(session)
            ahead = await events.horizon(session)
            fresh = await events.events_of_all(session, inside.visibility, seen)
            found = await operations.read_many(session, {one.operation_id for one in fresh})
            creators = {one.created_by for one in found.values()}
            emails = await operations.emails_of(session, creators)
        speed = visit.context.settings.provider_speed
        seen = fresh[-1].position if fresh else seen
        if len(fresh) < events.MOST:  # all that lies before is not visible to this reader
            seen = max(seen, ahead)
        bodies = [
            (
                f"{one.position.xid}-{one.position.id}",
                operation_body(view_at(found[one.operation_id], one.snapshot, emails), speed),
            )
            for one in fresh
        ]
        return Glance(bodies, held_back=held_back)

    return await _stream(visit, tenant, look)


def _last_id(request: web.Request, form: re.Pattern[str]) -> re.Match[str] | None:
    """Return the position from which a client resumes; raise ``Invalid`` for an unknown format."""
    given = request.headers.get("Last-Event-ID")
    if not given:
        return None
    found = form.fullmatch(given)
    if found is None:
        raise Invalid([Fault("Last-Event-ID", "bad_format", "is not an event ID of this stream")])
    return found


async def _stream(visit: Visit[Query], key: UUID, look: Look) -> web.StreamResponse:
    """Read, send, wait for news, until the end or until the reader disconnects.

    The first read comes before the response begins, so that a refusal is a problem response.
    Later errors end the stream; its reader resumes with the last id that they received.
    """
    with visit.context.announcements.about(key) as news:
        seen = await look()
        fresh = Telling(await _begun(visit))
        try:
            await fresh.tell(seen.fresh)
            while not seen.over:
                if len(seen.fresh) < events.MOST:
                    await fresh.pause(news, held_back=seen.held_back)
                news.clear()
                seen = await look()
                await fresh.tell(seen.fresh)
        except (ConnectionError, Declined):
            log.info("%s: the reader has left the stream, or lost its permission", key)
        except Exception as error:  # noqa: BLE001  (an answer has begun: it can only end)
            log.warning("%s: the stream failed: %s", key, error)
    return fresh.response


async def _begun(visit: Visit[Query]) -> web.StreamResponse:
    headers = {
        "Content-Type": EVENT_STREAM,
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",
        "X-Request-Id": visit.request[REQUEST_ID],
    }
    response = web.StreamResponse(headers=headers)
    await response.prepare(visit.request)
    return response


@dataclass(slots=True)
class Telling:
    """An answer under way: when it last said anything; how long to wait for what is held back."""

    response: web.StreamResponse
    written: float = field(default_factory=time.monotonic)
    patience: float = HELD_BACK_SECONDS

    async def tell(self, fresh: Sequence[Event]) -> None:
        for place, body in fresh:
            data = body.model_dump_json()
            await self._write(f"id: {place}\nevent: operation\ndata: {data}\n\n")
        if fresh:
            self.patience = HELD_BACK_SECONDS

    async def pause(self, news: asyncio.Event, *, held_back: bool) -> None:
        """Wait until there may be news; a comment keeps a silent connection open."""
        quiet = self.written + QUIET_SECONDS - time.monotonic()
        with suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), min(quiet, self.patience) if held_back else quiet)
            return
        if held_back:
            self.patience = min(2 * self.patience, LONGEST_HELD_BACK_SECONDS)
        if time.monotonic() >= self.written + QUIET_SECONDS:
            await self._write(": still here\n\n")

    async def _write(self, text: str) -> None:
        await self.response.write(text.encode())
        self.written = time.monotonic()
