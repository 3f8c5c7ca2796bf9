"""``cks admin simulator``: the simulated cloud's ledger, and faults on demand."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

import click
from pydantic import ValidationError

from cks import settings
from cks.providers.base import Unavailable
from cks.providers.simulated.client import OperatorDesk
from cks.providers.simulated.wire import Call, FaultKind, FaultOrder, form

Answer = TypeVar("Answer")


@click.group()
def simulator() -> None:
    """Operate the simulated cloud."""


@simulator.command()
@click.option("--cluster", type=click.UUID, help="Only calls about this cluster.")
def ledger(cluster: UUID | None) -> None:
    """Print every call that the cloud has received, and what exists in it now."""
    _print(_ask(lambda desk: desk.ledger(cluster)))


@simulator.group()
def fault() -> None:
    """Inject faults into future calls."""


@fault.command("add")
@click.option("--call", required=True, type=click.Choice([*map(str, Call)]))
@click.option("--kind", required=True, type=click.Choice([*map(str, FaultKind)]))
@click.option("--times", default=1, show_default=True, help="How many calls it affects.")
@click.option("--seconds", type=float, help="How long a slow call waits (default: 5).")
@click.option("--cluster", type=click.UUID, help="Affect only calls about this cluster.")
def add_fault(
    call: str, kind: str, times: int, seconds: float | None, cluster: UUID | None
) -> None:
    """Make the next calls of a kind fail, hang, be refused, be slow, or lose their reply."""
    try:
        order = FaultOrder(
            call=Call(call),
            kind=FaultKind(kind),
            times=times,
            seconds=seconds,
            cluster_id=cluster,
        )
    except ValidationError as error:
        raise click.ClickException(_first(error)) from error
    _print(_ask(lambda desk: desk.add_fault(order)))


@fault.command("list")
def list_faults() -> None:
    """Print the faults that are still to come, and how many calls are hanging."""
    _print(_ask(OperatorDesk.faults))


@fault.command("clear")
def clear_faults() -> None:
    """Remove all faults; hanging calls continue."""
    _print(_ask(OperatorDesk.clear_faults))


def register(group: click.Group) -> None:
    """Add ``simulator`` to a group of commands."""
    group.add_command(simulator)


def _ask(question: Callable[[OperatorDesk], Awaitable[Answer]]) -> Answer:
    async def ask() -> Answer:
        desk = OperatorDesk(settings.load(development=True).simulator_url)
        try:
            return await question(desk)
        except Unavailable as error:
            hint = "Start `make dev`, or set CKS_SIMULATOR_URL."
            raise click.ClickException(f"{error}. {hint}") from error
        finally:
            await desk.close()

    return asyncio.run(ask())


def _print(answer: object) -> None:
    click.echo(form(type(answer)).dump_json(answer, indent=1))


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = "".join(f"--{part}: " for part in first["loc"])
    return where + first["msg"].removeprefix("Value error, ")
