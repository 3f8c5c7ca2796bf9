"""``cks``: the command's root.  Each area of commands registers itself."""

from typing import NoReturn

import click

from cks.cli.admin import (
    accounts,
    after_restore,
    catalogue,
    operations,
    simulator,
    temporal,
    tenants,
)
from cks.process import leave


@click.group()
@click.version_option(package_name="cks-control-plane")
def cks() -> None:
    """The CyberCloud Kubernetes Service on the command line."""


@cks.group("admin")
def operators() -> None:
    """For operators: tenants, users, prices, operations, the servers, the cloud."""


for area in (accounts, tenants, catalogue, operations, temporal, after_restore, simulator):
    area.register(operators)


def main() -> NoReturn:
    """Run the command; whatever fails is one line on stderr, and status 1."""
    try:
        cks(prog_name="cks")
        leave(0)
    except SystemExit as end:  # so click ends a command
        leave(end.code if isinstance(end.code, int) else int(end.code is not None))
    except Exception as error:  # noqa: BLE001 - an operator gets a reason, not a trace
        reason = str(error).strip() or type(error).__name__
        click.echo(f"Error: {reason.splitlines()[0]}", err=True)
        leave(1)
