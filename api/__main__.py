"""The API process: the tenants' port, the operators' port, the announcements, and the loops.

The loops may be left to processes of their own.  It serves without Temporal, and without a
database it answers 503 until there is one.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.envconfig import ClientConnectConfig

from api.app import build_app
from api.background.loops import loops_of
from api.http.context import AppContext
from api.ops import HealthChecks, build_ops
from api.process import all_beside, listening, reaching, refuse_power, run
from cks.db.announcements import PAUSE_SECONDS, Announcements
from cks.db.catalogue.cache import CatalogueCache
from cks.loop import Loop
from cks.process import leave
from cks.settings import Settings

log = logging.getLogger("cks.api")


@asynccontextmanager
async def running(given: Settings, profile: ClientConnectConfig) -> AsyncIterator[None]:
    """Run both ports and all that belongs to them for as long as the block lasts."""
    announcements = Announcements(given.listening_url)
    hearing = Loop("announcements", PAUSE_SECONDS, announcements.listen)
    async with reaching(given, profile) as servers:
        loops = loops_of(*servers) if given.api_runs_loops else None
        wake = loops.relay.wake if loops else _heard_elsewhere
        context = AppContext(given, servers.database, CatalogueCache(), announcements, wake)
        app = build_app(context)  # before anything is connected: what it frees is used again
        await refuse_power(servers)
        ops = build_ops(HealthChecks(*servers, loops or ()))
        async with (
            all_beside([*(loops or ()), hearing]),
            listening(ops, given.api_host, given.ops_port),
            listening(app, given.api_host, given.api_port),
        ):
            log.info(
                "serving tenants on port %s and operators on port %s",
                given.api_port,
                given.ops_port,
            )
            yield


def _heard_elsewhere() -> None:
    """Whoever runs the relay hears of the commit from the database."""


if __name__ == "__main__":
    leave(run(running))
