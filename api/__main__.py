"""The API process: the tenants' port, the operators' port, the relay, the announcements.

It refuses to start as a login that could do more than its work needs.  It starts and serves
without Temporal, and without a database it answers 503 until there is one.
"""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web
from temporalio.envconfig import ClientConnectConfig

from api.app import build_app
from api.background.deadline_keeper import DeadlineKeeper
from api.background.lost_operations import LostOperations
from api.background.reconciler import Reconciler
from api.background.relay import Relay
from api.http.context import AppContext
from api.ops import HealthChecks, build_ops
from cks import logs, settings
from cks.db.announcements import Announcements
from cks.db.catalogue.cache import CatalogueCache
from cks.db.connections import WrongRole, check_role, is_away
from cks.db.dispatch import Dispatch
from cks.db.session import Database
from cks.logs import Format, Level
from cks.process import leave
from cks.settings import Settings
from cks.temporal import connection
from cks.temporal.engine import Temporal, connect

log = logging.getLogger("cks.api")

GRACE_SECONDS = 2.0
LONGEST_LINE = 1 << 16
"""Bytes of a request's first line; what is longer is refused before it is read, in plain text."""


async def serve(given: Settings, profile: ClientConnectConfig) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(given, profile):
        await stop.wait()


@asynccontextmanager
async def running(given: Settings, profile: ClientConnectConfig) -> AsyncIterator[None]:
    """Run both ports and all loops for as long as the block lasts."""
    database = Database(given.app_database_url, given.pool_size, pooled=given.pooled)
    dispatch = Dispatch(given.dispatch_database_url, pooled=given.pooled)
    client = await connect(profile)
    temporal = Temporal(client, given.task_queue)
    relay = Relay(database, dispatch, temporal)
    announcements = Announcements(given.listen_database_url or given.app_database_url)
    context = AppContext(given, database, CatalogueCache(), announcements, relay.wake)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        stack.push_async_callback(dispatch.close)
        await _refuse_power(database, dispatch)
        await stack.enter_async_context(_meanwhile(relay.run()))
        await stack.enter_async_context(_meanwhile(context.announcements.run()))
        reconciler = Reconciler(database, dispatch, temporal)
        await stack.enter_async_context(_meanwhile(reconciler.run()))
        lost = LostOperations(database, dispatch, temporal)
        await stack.enter_async_context(_meanwhile(lost.run(), endless=False))
        keeper = DeadlineKeeper(database, dispatch)
        await stack.enter_async_context(_meanwhile(keeper.run()))
        ops = build_ops(HealthChecks(database, dispatch, temporal, relay, reconciler, keeper))
        await stack.enter_async_context(_listening(ops, given.api_host, given.ops_port))
        app = build_app(context)
        await stack.enter_async_context(_listening(app, given.api_host, given.api_port))
        log.info("serving tenants on port %s, operators on %s", given.api_port, given.ops_port)
        yield


async def _refuse_power(database: Database, dispatch: Dispatch) -> None:
    """Raise ``WrongRole`` for a login that is too strong; one that is away is met later."""
    for engine in (database.engine, dispatch.engine):
        try:
            await check_role(engine)
        except Exception as error:
            if not is_away(error):
                raise
            log.warning("the database does not answer yet: %s", error)


@asynccontextmanager
async def _meanwhile(
    work: Coroutine[None, None, None], *, endless: bool = True
) -> AsyncIterator[None]:
    """Run work beside the block.

    What is ``endless`` and ends by itself ends the process, so that another takes its place.
    """
    task = asyncio.create_task(work)
    if endless:
        task.add_done_callback(_leave)
    try:
        yield
    finally:
        task.remove_done_callback(_leave)
        task.cancel()
        _, left = await asyncio.wait({task}, timeout=GRACE_SECONDS)
        if left:
            log.warning("%s does not end; leaving it", task.get_coro())


def _leave(task: asyncio.Task[None]) -> None:
    log.critical("%s has ended, so this process does", task.get_coro())
    signal.raise_signal(signal.SIGTERM)


@asynccontextmanager
async def _listening(app: web.Application, host: str, port: int) -> AsyncIterator[None]:
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=GRACE_SECONDS, max_line_size=LONGEST_LINE
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()


def main() -> int:
    logs.configure(Level.INFO, Format.JSON)  # until the settings say otherwise
    try:
        given = settings.load()
        logs.configure(given.log_level, given.log_format)
        asyncio.run(serve(given, connection.read(os.environ)))
    except (WrongRole, ValueError, OSError) as error:
        log.error("%s", error)  # noqa: TRY400  (an answer, not a bug: no trace)
        return 1
    return 0


if __name__ == "__main__":
    leave(main())
