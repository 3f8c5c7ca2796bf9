"""``cks admin temporal``: what Temporal must know of us, and who works for us."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click
from temporalio.client import Client
from temporalio.service import RPCError

from cks import settings
from cks.cli.answers import show
from cks.temporal import connection
from cks.temporal.connection import Poller

LATELY = timedelta(minutes=2)
"""A worker that has nothing to do asks again every minute."""
Found = TypeVar("Found")


def register(group: click.Group) -> None:
    """Add ``temporal`` to ``cks admin``."""
    group.add_command(temporal)


@click.group()
def temporal() -> None:
    """Prepare Temporal's namespace, and list our workers."""


@temporal.command("prepare")
def prepare() -> None:
    """Create or update the namespace and our search attributes (TEMPORAL_*); safe to repeat."""
    click.echo(f"The namespace {_run(_prepare())} is ready.")


@temporal.command("workers")
@click.option("--host", help="Only workers on this host.")
def workers(host: str | None) -> None:
    """Print each worker that recently asked for work, one JSON object per line.

    Exit with status 1 if there is none.
    """
    since = datetime.now(UTC) - LATELY
    lately = [one for one in _run(_pollers()) if one.last_access_at >= since]
    found = [one for one in lately if host in (None, one.host)]
    if not found:
        raise click.ClickException("No worker has asked for work lately.")
    show(*found)


async def _connected() -> Client:
    return await Client.connect(**connection.read(settings.variables()))


async def _prepare() -> str:
    client = await _connected()
    await connection.prepare(client)
    return client.namespace


async def _pollers() -> list[Poller]:
    queue = settings.load(development=True).task_queue
    return await connection.pollers(await _connected(), queue)


def _run(work: Coroutine[Any, Any, Found]) -> Found:
    """Do the work, and say in one line why Temporal could not be asked."""
    try:
        return asyncio.run(work)
    except (RPCError, RuntimeError, TimeoutError) as error:
        reason = (str(error) or "no answer").splitlines()[0]
        raise click.ClickException(f"Temporal cannot be asked: {reason}") from error
