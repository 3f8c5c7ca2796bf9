"""What the API's programs have in common: their servers, their ports, how they begin and end.

They refuse to start as a login that could do more than their work needs.  They start without
Temporal and without a database, and wait for them.
"""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from aiohttp import web
from temporalio.envconfig import ClientConnectConfig

from cks import logs, settings
from cks.db.connections import WrongRole, check_role, is_away
from cks.db.dispatch import Dispatch
from cks.db.session import Database
from cks.logs import Format, Level
from cks.loop import GRACE_SECONDS, Loop, LoopDied, beside
from cks.settings import Settings
from cks.temporal import connection
from cks.temporal.engine import Temporal, connect

LONGEST_LINE = 1 << 16
"""Bytes of a request's first line; what is longer is refused before it is read, in plain text."""

Program = Callable[[Settings, ClientConnectConfig], AbstractAsyncContextManager[None]]

log = logging.getLogger("cks.api")


class Servers(NamedTuple):
    """All that is asked by a program of the API."""

    database: Database
    dispatch: Dispatch
    temporal: Temporal


@asynccontextmanager
async def reaching(given: Settings, profile: ClientConnectConfig) -> AsyncIterator[Servers]:
    """Yield the ways to the servers; none is gone yet."""
    database = Database(given.app_database_url, given.pool_size, pooled=given.pooled)
    dispatch = Dispatch(given.dispatch_database_url, pooled=given.pooled)
    temporal = Temporal(await connect(profile), given.task_queue)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        stack.push_async_callback(dispatch.close)
        yield Servers(database, dispatch, temporal)


async def refuse_power(servers: Servers) -> None:
    """Raise ``WrongRole`` for a login that is too strong; one that is away is met later."""
    for engine in (servers.database.engine, servers.dispatch.engine):
        try:
            await check_role(engine)
        except Exception as error:
            if not is_away(error):
                raise
            log.warning("the database does not answer yet: %s", error)


@asynccontextmanager
async def all_beside(loops: Sequence[Loop]) -> AsyncIterator[None]:
    """Run loops beside the block."""
    async with AsyncExitStack() as stack:
        for loop in loops:
            await stack.enter_async_context(beside(loop))
        yield


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[None]:
    """Serve an application on a port for as long as the block lasts."""
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=GRACE_SECONDS, max_line_size=LONGEST_LINE
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()


def run(program: Program) -> int:
    """Run until SIGINT or SIGTERM; return the process's status."""
    logs.configure(Level.INFO, Format.JSON)  # until the settings say otherwise
    try:
        given = settings.load()
        logs.configure(given.log_level, given.log_format)
        asyncio.run(_until_asked(program(given, connection.read(os.environ))))
    except (WrongRole, LoopDied, ValueError, OSError) as error:
        log.error("%s", error)  # noqa: TRY400  (an answer, not a bug: no trace)
        return 1
    return 0


async def _until_asked(running: AbstractAsyncContextManager[None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running:
        await stop.wait()
