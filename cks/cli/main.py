"""``cks``: the command's root.  Each area of commands registers itself."""

import sys

import click

from cks.cli import admin, offering, operations, restored, simulator, temporal, tenants


@click.group()
@click.version_option(package_name="cks-control-plane")
def cks() -> None:
    """The CyberCloud Kubernetes Service on the command line."""


@cks.group("admin")
def operators() -> None:
    """What an operator does: tenants, users, prices, operations, the servers, the cloud."""


for area in (admin, tenants, offering, operations, temporal, restored, simulator):
    area.register(operators)


def main() -> None:
    """Run the command; whatever fails is one line on stderr, and status 1."""
    try:
        cks(prog_name="cks")
    except Exception as error:  # noqa: BLE001 - an operator gets a reason, not a trace
        reason = str(error).strip() or type(error).__name__
        click.echo(f"Error: {reason.splitlines()[0]}", err=True)
        sys.exit(1)
