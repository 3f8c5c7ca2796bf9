"""``cks admin operation``: what an operator on call must look at (docs/operating.md)."""

import click

from cks.cli.answers import database_url, run, show
from cks.db.admin import stuck_operations


def register(group: click.Group) -> None:
    """Add ``operation`` to a group of commands."""
    group.add_command(operation)


@click.group()
def operation() -> None:
    """Inspect the operations of all tenants."""


@operation.command("list")
@click.option("--stuck", is_flag=True, help="Only those that need attention, and why.")
@click.option("--orphans", is_flag=True, help="Those that have ended and left something behind.")
def list_operations(*, stuck: bool, orphans: bool) -> None:
    """Print every live operation, oldest first, one JSON object per line."""
    if stuck and orphans:
        raise click.UsageError("--stuck and --orphans are two lists; ask for one.")
    listing = stuck_operations.list_live
    if stuck:
        listing = stuck_operations.list_stuck
    elif orphans:
        listing = stuck_operations.list_orphaned
    show(*run(listing(database_url())))
