"""``python -m bench NAME [--seconds N] [--json]``: our figure, the floor's, and the ratio."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict

import click

from bench import accept, access, idle, provision, read
from bench.contest import Result

BENCHES: dict[str, tuple[str, Callable[[float], Awaitable[Result]]]] = {
    "read": (read.SAID, read.run),
    "accept": (accept.SAID, accept.run),
    "access": (access.SAID, access.run),
    "provision": (provision.SAID, provision.run),
    "idle": (idle.SAID, idle.run),
}


@click.command()
@click.argument("name", type=click.Choice([*BENCHES]))
@click.option("--seconds", default=20.0, show_default=True, help="How long both work in all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(name: str, seconds: float, *, as_json: bool) -> None:
    """Measure NAME against its floor."""
    said, run = BENCHES[name]
    result = asyncio.run(_awaited(run(seconds)))
    if as_json:
        click.echo(json.dumps({"bench": name, **asdict(result)}))
        return
    click.echo(said)
    click.echo(f"  ours   {result.ours:8.1f}{result.unit}")
    click.echo(f"  floor  {result.floor:8.1f}{result.unit}")
    spread = f"from {result.least:.3f} to {result.most:.3f} in {result.turns} pairs of turns"
    click.echo(f"  ratio  {result.ratio:8.3f}   {spread}")
    for figure, value in result.more.items():
        click.echo(f"  {figure.replace('_', ' ')}: {value:g}")


async def _awaited(work: Awaitable[Result]) -> Result:
    return await work


main()
