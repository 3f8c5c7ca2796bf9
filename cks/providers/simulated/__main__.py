"""``python -m cks.providers.simulated``: the simulated cloud as a process of its own."""

from pathlib import Path

import click
from aiohttp import web

from cks import logs, settings
from cks.providers.simulated.cloud import Terms
from cks.providers.simulated.server import application

USUAL = Terms()
PATIENCE_SECONDS = 0.3
"""How long calls under way may still take once the server is told to end."""


@click.command()
@click.option("--host", envvar="CKS_SIMULATOR_HOST", default="127.0.0.1", show_default=True)
@click.option("--port", envvar="CKS_SIMULATOR_PORT", default=8090, show_default=True)
@click.option(
    "--data",
    envvar="CKS_SIMULATOR_DATA",
    default="simulator.db",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The SQLite file.",
    show_default=True,
)
@click.option(
    "--speed",
    envvar="CKS_SIMULATOR_SPEED",
    default=USUAL.speed,
    type=click.FloatRange(min=0, min_open=True),
    help="How many times faster than a real cloud.",
    show_default=True,
)
@click.option("--seed", envvar="CKS_SIMULATOR_SEED", default=USUAL.seed, show_default=True)
@click.option(
    "--capacity",
    envvar="CKS_SIMULATOR_CAPACITY",
    default=USUAL.capacity_vcpus,
    type=click.IntRange(min=0),
    help="How many vCPUs the cloud has.",
    show_default=True,
)
@click.option(
    "--quota-nodes",
    envvar="CKS_SIMULATOR_QUOTA_NODES",
    default=USUAL.quota_nodes,
    type=click.IntRange(min=0),
    help="How many nodes the cloud grants us.",
    show_default=True,
)
def main(  # noqa: PLR0913
    *, host: str, port: int, data: Path, speed: float, seed: str, capacity: int, quota_nodes: int
) -> None:
    """Run the simulated cloud until it is told to end."""
    try:
        given = settings.load()
    except settings.BadSettings as error:
        raise click.ClickException(str(error)) from error
    logs.configure(given.log_level, given.log_format)
    terms = Terms(seed, speed, capacity, quota_nodes)
    click.echo(f"The simulated cloud listens on http://{host}:{port}; its data is in {data}.")
    try:
        web.run_app(
            application(data, terms),
            host=host,
            port=port,
            access_log=None,
            print=None,
            shutdown_timeout=PATIENCE_SECONDS,
        )
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from error


main()
