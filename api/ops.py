"""The operators' port: is it alive, is it ready, what does it count.  Never the tenants'."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from api.background.deadline_keeper import DeadlineKeeper
from api.background.metrics import RECONCILED, UNDELIVERED
from api.background.reconciler import Reconciler
from api.background.relay import Relay
from cks.db.dispatch import Dispatch
from cks.db.schema import needed_revision
from cks.db.session import Database
from cks.temporal.engine import Temporal

PATIENCE_SECONDS = 3
STALE_SECONDS = 15
DEGRADING = {"temporal", "relay", "reconciler", "deadlines"}
"""What may be amiss while requests are still served and accepted."""


class Check(BaseModel):
    """One thing that readiness rests on."""

    ok: bool
    detail: str


class Readiness(BaseModel):
    """``degraded``: reads answer and work is accepted, but something delays it."""

    status: Literal["ready", "degraded", "down"]
    checks: dict[str, Check]


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """What the operators' port looks at."""

    database: Database
    dispatch: Dispatch
    temporal: Temporal
    relay: Relay
    reconciler: Reconciler
    keeper: DeadlineKeeper

    async def readiness(self) -> Readiness:
        """Look at everything at once; what only delays work degrades."""
        names = {
            "database": self._database,
            "migrations": self._migrations,
            "relay": self._relay,
            "reconciler": self._reconciler,
            "deadlines": self._deadlines,
            "temporal": self._temporal,
        }
        found = await asyncio.gather(*map(_looked, names.values()))
        checks = dict(zip(names, found, strict=True))
        failing = {name for name, check in checks.items() if not check.ok}
        if failing - DEGRADING:
            return Readiness(status="down", checks=checks)
        return Readiness(status="degraded" if failing else "ready", checks=checks)

    async def _database(self) -> str:
        await self.database.schema_revision()
        return "answers"

    async def _migrations(self) -> str:
        found = await self.database.schema_revision()
        if found != needed_revision():
            raise LookupError(f"the schema is at {found}, this version needs {needed_revision()}")
        return found

    async def _relay(self) -> str:
        waiting = await self.dispatch.undelivered_seconds()
        UNDELIVERED.set(waiting)
        if self.relay.idle_seconds > STALE_SECONDS:
            raise LookupError(f"has not looked for {self.relay.idle_seconds:.0f} s")
        return f"the oldest operation without a run has waited {waiting:.1f} s"

    async def _reconciler(self) -> str:
        idle = self.reconciler.idle_seconds
        RECONCILED.set(idle)
        if idle > STALE_SECONDS:
            raise LookupError(f"the last whole pass was {idle:.0f} s ago")
        return f"the last whole pass was {idle:.1f} s ago"

    async def _deadlines(self) -> str:
        idle = self.keeper.idle_seconds
        if idle > STALE_SECONDS:
            raise LookupError(f"the last look at what is due was {idle:.0f} s ago")
        return f"the last look at what is due was {idle:.1f} s ago"

    async def _temporal(self) -> str:
        if not await self.temporal.answers():
            raise LookupError("does not answer; what is accepted waits")
        return "answers"


async def _looked(look: Callable[[], Awaitable[str]]) -> Check:
    try:
        return Check(ok=True, detail=await asyncio.wait_for(look(), PATIENCE_SECONDS))
    except Exception as error:  # noqa: BLE001  (whatever it was, this part is not well)
        return Check(ok=False, detail=str(error) or type(error).__name__)


HEALTH_CHECKS = web.AppKey("vitals", HealthChecks)


async def livez(_: web.Request) -> web.Response:
    return web.json_response({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    found = await request.app[HEALTH_CHECKS].readiness()
    status = 503 if found.status == "down" else 200
    body = found.model_dump_json().encode()
    return web.Response(body=body, status=status, content_type="application/json")


async def metrics(request: web.Request) -> web.Response:
    await request.app[HEALTH_CHECKS].readiness()
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def build_ops(vitals: HealthChecks) -> web.Application:
    """Return the operators' application."""
    app = web.Application()
    app[HEALTH_CHECKS] = vitals
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app
