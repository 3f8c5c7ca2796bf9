"""``cks admin database`` and ``cks admin cloud``: after a restore (docs/operating.md)."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

import click

from cks import settings
from cks.cli.answers import database_url, run, show
from cks.db.admin.after_restore import compare, fence_to_remove, mend
from cks.domain.refusals import Declined
from cks.providers.base import Unavailable
from cks.providers.removal import remove_cluster
from cks.providers.simulated.client import SimulatedCloud
from cks.temporal import connection
from cks.temporal.engine import EngineAway, Trace, connect, trace_of

Answer = TypeVar("Answer")


def register(group: click.Group) -> None:
    """Add ``database`` and ``cloud`` to a group of commands."""
    group.add_command(database)
    group.add_command(cloud)


@click.group()
def database() -> None:
    """Maintain the database as a whole."""


@database.command("after-restore")
def after_restore() -> None:
    """Prepare a restored database for its server, before API and workers start."""
    show(run(mend(database_url())))


@click.group()
def cloud() -> None:
    """Compare what the cloud has with what the rows say."""


@cloud.command("compare")
def compare_cloud() -> None:
    """Print every cluster on which rows and cloud disagree; exit with status 1 if there is one."""
    in_cloud = _ask(lambda provider: provider.list_clusters())
    differences = run(compare(database_url(), in_cloud))
    for difference in differences:
        show(difference)
        if trace := asyncio.run(_trace(difference.cluster_id)):
            show(trace)
    sys.exit(1 if differences else 0)


@cloud.command("remove")
@click.argument("cluster", type=click.UUID)
def remove(cluster: UUID) -> None:
    """Remove everything that the cloud has of a stray or orphaned cluster.  Cannot be undone."""
    fence = run(fence_to_remove(database_url(), cluster))
    _ask(lambda provider: remove_cluster(provider, cluster, fence))
    click.echo(f"Nothing is left of {cluster}.")


def _ask(question: Callable[[SimulatedCloud], Awaitable[Answer]]) -> Answer:
    """Ask the provider, and say in one line why it could not be done."""

    async def asked() -> Answer:
        given = settings.load(development=True)
        provider = SimulatedCloud(given.simulator_url, given.provider_timeout_seconds)
        try:
            return await question(provider)
        finally:
            await provider.close()

    try:
        return asyncio.run(asked())
    except (Unavailable, Declined) as error:
        raise click.ClickException(str(error)) from error


async def _trace(cluster_id: UUID) -> Trace | None:
    """Return what Temporal still knows of the cluster, if it answers."""
    client = await connect(connection.read(settings.variables()))
    try:
        return await trace_of(client, cluster_id)
    except EngineAway:
        return None
