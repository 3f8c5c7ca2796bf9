"""The operators' port: is it alive, is it ready, what does it count.  Never the tenants'."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from api.background.metrics import LAST_PASS, UNDELIVERED
from cks.db.dispatch import Dispatch
from cks.db.schema import needed_revision
from cks.db.session import Database
from cks.loop import Loop
from cks.temporal.engine import Temporal

Look = Callable[[], Awaitable[str]]

PATIENCE_SECONDS = 3
STALE_SECONDS = 15
NEEDED = {"database", "migrations"}
"""Without these no request is served; all else only delays what was accepted."""


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
    """What the operators' port looks at; ``loops`` are those of this process, if it runs any."""

    database: Database
    dispatch: Dispatch
    temporal: Temporal
    loops: Sequence[Loop]

    async def readiness(self) -> Readiness:
        """Look at everything at once; what only delays work degrades."""
        looks = self._looks()
        found = await asyncio.gather(*map(_looked, looks.values()))
        checks = dict(zip(looks, found, strict=True))
        failing = {name for name, check in checks.items() if not check.ok}
        if failing & NEEDED:
            return Readiness(status="down", checks=checks)
        return Readiness(status="degraded" if failing else "ready", checks=checks)

    def _looks(self) -> dict[str, Look]:
        return {
            "database": self._database,
            "migrations": self._migrations,
            "undelivered": self._undelivered,
            "temporal": self._temporal,
            **{loop.name: partial(_pass_of, loop) for loop in self.loops if not loop.ends},
        }

    async def _database(self) -> str:
        await self.database.schema_revision()
        return "answers"

    async def _migrations(self) -> str:
        found = await self.database.schema_revision()
        if found != needed_revision():
            raise LookupError(f"the schema is at {found}, this version needs {needed_revision()}")
        return found

    async def _undelivered(self) -> str:
        """Say it whoever runs the relay: where none does, only the rows tell."""
        waiting = await self.dispatch.undelivered_seconds()
        UNDELIVERED.set(waiting)
        return f"the oldest operation without a run has waited {waiting:.1f} s"

    async def _temporal(self) -> str:
        if not await self.temporal.answers():
            raise LookupError("does not answer; what is accepted waits")
        return "answers"


async def _pass_of(loop: Loop) -> str:
    LAST_PASS.labels(loop.name).set(loop.age_seconds)
    if loop.age_seconds > STALE_SECONDS:
        raise LookupError(f"the last whole pass was {loop.age_seconds:.0f} s ago")
    return f"the last whole pass was {loop.age_seconds:.1f} s ago"


async def _looked(look: Look) -> Check:
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
