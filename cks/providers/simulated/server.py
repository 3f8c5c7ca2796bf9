"""The simulated cloud over HTTP; ``wire`` says what passes.

A call is written into the ledger, meets its fault if one is due, and only then takes effect:
its fence is compared at that moment, however long it hung.  A client that goes away changes
nothing, since the call goes on without it.
"""

import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn
from uuid import UUID

from aiohttp import web
from pydantic import ValidationError

from cks.providers.base import Observed
from cks.providers.simulated.cloud import Cloud, Refused, Terms, guarded
from cks.providers.simulated.faults import Faults
from cks.providers.simulated.ledger import CallLedger
from cks.providers.simulated.storage import Storage
from cks.providers.simulated.wire import (
    CHANGES,
    LARGEST_FENCE,
    Call,
    Change,
    Clusters,
    Code,
    FaultKind,
    FaultOrder,
    Forecast,
    Ledger,
    Question,
    form,
)

STATUSES = {
    Code.SUPERSEDED: 412,
    Code.UNAVAILABLE: 503,
    Code.INVALID: 422,
    Code.UNKNOWN: 404,
    Code.NOT_BUILT: 501,
}
"""Codes that are not a plain 409."""


class Reception:
    """Takes the calls; the only place that knows the time."""

    def __init__(self, storage: Storage, terms: Terms) -> None:
        self.storage = storage
        self.calls = CallLedger(storage)
        self.faults = Faults(storage)
        self._cloud = Cloud(storage, terms)

    async def change(self, call: Call, change: Change, fence: int) -> tuple[str, bool]:
        """Carry out a change; return the effect, and whether the reply is to be lost."""
        with self.storage.transaction():
            fault = self.faults.strike(call, change.cluster_id)
            about = (change.cluster_id, guarded(change)[1])
            kind = fault.kind if fault else None
            line = self.calls.open_call(call, about, fence, kind, time.time())
        await self._suffer(fault, line)
        with self.storage.transaction():
            effect = self._carry_out(change, fence, line)
        if isinstance(effect, Refused):
            raise effect
        return effect, kind is FaultKind.LOST_REPLY

    def _carry_out(self, change: Change, fence: int, line: int) -> str | Refused:
        """Return a refusal instead of raising it: its fence is to be committed."""
        try:
            effect = self._cloud.carry_out(change, fence, time.time())
        except Refused as refused:
            self.calls.close_call(line, f"refused: {refused.code}")
            return refused
        self.calls.close_call(line, effect)
        return effect

    async def observe(self, cluster_id: UUID) -> tuple[Observed, bool]:
        """Return what there is, and whether the reply is to be lost."""
        with self.storage.transaction():
            now = time.time()
            fault = self.faults.strike(Call.OBSERVE, cluster_id)
            if fault is None:
                self.calls.count_observation(cluster_id, now)
                return self._cloud.observe(cluster_id, now), False
            about = (cluster_id, cluster_id)
            line = self.calls.open_call(Call.OBSERVE, about, None, fault.kind, now)
        await self._suffer(fault, line)
        with self.storage.transaction():
            self.calls.close_call(line, None)
            observed = self._cloud.observe(cluster_id, time.time())
        return observed, fault.kind is FaultKind.LOST_REPLY

    async def _suffer(self, fault: FaultOrder | None, line: int) -> None:
        if fault is None:
            return
        await self.faults.delay(fault)
        if fault.kind is FaultKind.ERROR:
            self._fail(line, "error", Refused(Code.UNAVAILABLE, "an error, as ordered"))
        if fault.kind is FaultKind.QUOTA:
            refused = Refused(Code.QUOTA_EXCEEDED, "the quota is used up, as ordered")
            self._fail(line, f"refused: {refused.code}", refused)

    def _fail(self, line: int, effect: str, refused: Refused) -> NoReturn:
        with self.storage.transaction():
            self.calls.close_call(line, effect)
        raise refused

    def clusters(self) -> Clusters:
        """Return the clusters of which anything lives."""
        with self.storage.transaction():
            self.storage.sweep(time.time())
            return Clusters(sorted({thing.cluster_id for thing in self.storage.all()}))

    def ledger(self, cluster_id: UUID | None) -> Ledger:
        with self.storage.transaction():
            return self.calls.read(time.time(), cluster_id)


RECEPTION = web.AppKey("reception", Reception)
Route = Callable[[web.Request], Awaitable[web.StreamResponse]]
routes = web.RouteTableDef()


@routes.post("/calls/{call}")
async def take_call(request: web.Request) -> web.StreamResponse:
    call, reception = _call_of(request), request.app[RECEPTION]
    if call is Call.OBSERVE:
        question = form(Question).validate_json(await request.read(), strict=True)
        observed, lost = await reception.observe(question.cluster_id)
        return _drop(request) if lost else _json(observed)
    if call not in CHANGES:
        raise Refused(Code.NOT_BUILT, f"{call} is not built yet")
    change = form(CHANGES[call]).validate_json(await request.read(), strict=True)
    effect, lost = await reception.change(call, change, _fence_of(request))
    return _drop(request) if lost else _json({"effect": effect})


@routes.get("/ledger")
async def show_ledger(request: web.Request) -> web.Response:
    return _json(request.app[RECEPTION].ledger(_cluster_of(request)))


@routes.get("/clusters")
async def list_clusters(request: web.Request) -> web.Response:
    return _json(request.app[RECEPTION].clusters())


@routes.get("/faults")
async def show_faults(request: web.Request) -> web.Response:
    reception = request.app[RECEPTION]
    faults, hanging = reception.faults.orders(), reception.calls.hanging()
    return _json(Forecast(faults=faults, hanging=hanging))


@routes.post("/faults")
async def add_fault(request: web.Request) -> web.Response:
    order = FaultOrder.model_validate_json(await request.read())
    request.app[RECEPTION].faults.add(order)
    return _json(order)


@routes.delete("/faults")
async def clear_faults(request: web.Request) -> web.Response:
    request.app[RECEPTION].faults.clear()
    return _json(Forecast(faults=[], hanging=0))


@routes.get("/health")
async def health(_: web.Request) -> web.Response:
    return _json({"status": "ok"})


def _call_of(request: web.Request) -> Call:
    try:
        return Call(request.match_info["call"])
    except ValueError:
        choices = ", ".join(Call)
        raise Refused(Code.UNKNOWN, f"there is no such call; choose one of {choices}") from None


def _cluster_of(request: web.Request) -> UUID | None:
    asked = request.query.get("cluster")
    try:
        return UUID(asked) if asked else None
    except ValueError:
        raise Refused(Code.INVALID, "?cluster= must be a UUID") from None


def _fence_of(request: web.Request) -> int:
    try:
        fence = int(request.query["fence"])
    except (KeyError, ValueError):
        raise Refused(Code.INVALID, "?fence= must be a whole number") from None
    if not 0 <= fence <= LARGEST_FENCE:
        raise Refused(Code.INVALID, f"?fence= must lie between 0 and {LARGEST_FENCE}")
    return fence


def _json(answer: object, status: int = 200) -> web.Response:
    body = form(type(answer)).dump_json(answer)
    return web.Response(body=body, status=status, content_type="application/json")


def _drop(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()


@web.middleware
async def refuse_in_json(request: web.Request, handler: Route) -> web.StreamResponse:
    """Answer every refusal as ``{"code", "message"}``."""
    try:
        return await handler(request)
    except Refused as refused:
        status = STATUSES.get(refused.code, 409)
        return _json({"code": refused.code, "message": refused.message}, status)
    except ValidationError as error:
        first = error.errors()[0]
        where = "/".join(str(part) for part in first["loc"])
        status = 400 if first["type"] == "json_invalid" else 422
        return _json({"code": Code.INVALID, "message": f"{where}: {first['msg']}"}, status)
    except sqlite3.Error as error:
        return _json({"code": Code.UNAVAILABLE, "message": f"storage: {error}"}, 503)
    except web.HTTPException as error:
        return _json({"code": Code.INVALID, "message": error.reason}, error.status)


def application(path: Path, terms: Terms) -> web.Application:
    """Return the server over the file at ``path``, which is made if there is none."""
    storage = Storage(path)

    async def close(_: web.Application) -> None:
        storage.close()

    app = web.Application(middlewares=[refuse_in_json])
    app[RECEPTION] = Reception(storage, terms)
    app.add_routes(routes)
    app.on_cleanup.append(close)
    return app
