"""``cks admin tenant``: tenants made, set, suspended, activated, exported."""

from pathlib import Path

import click

from cks.cli.answers import database_url, run, show
from cks.db.admin import export, tenant_status, tenants
from cks.db.admin.tenants import NewTenant

CYCLES = click.Choice(["month", "day"])


def register(group: click.Group) -> None:
    """Add ``tenant`` to ``cks admin``."""
    group.add_command(tenant)


@click.group()
def tenant() -> None:
    """Manage tenants; give each by its id, or by its name if no other tenant has it."""


@tenant.command("create")
@click.argument("name")
@click.option("--admin-email", required=True, help="Email address of the tenant's first admin.")
@click.option("--timezone", default="UTC", show_default=True, help="An IANA time zone.")
@click.option("--currency", default="USD", show_default=True, help="An ISO 4217 currency code.")
@click.option("--billing-cycle", default="month", show_default=True, type=CYCLES)
def create_tenant(
    name: str, admin_email: str, timezone: str, currency: str, billing_cycle: str
) -> None:
    """Create a tenant with its roles, its quotas and its first admin."""
    asked = NewTenant(name, admin_email, timezone, currency, billing_cycle)
    show(run(tenants.create_tenant(database_url(), asked, unique_name=True)))


@tenant.command("list")
def list_tenants() -> None:
    """Print every tenant, one JSON object per line."""
    show(*run(tenants.list_tenants(database_url())))


@tenant.command("set")
@click.argument("tenant")
@click.option("--name")
@click.option("--timezone", help="An IANA time zone; takes effect with the next billing period.")
@click.option("--billing-cycle", type=CYCLES, help="Takes effect with the next billing period.")
def set_tenant(tenant: str, **given: str | None) -> None:
    """Change a tenant's settings."""
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise click.UsageError("Say what to set: --name, --timezone or --billing-cycle.")
    show(run(tenant_status.set_tenant(database_url(), tenant, changes)))


@tenant.command("suspend")
@click.argument("tenant")
def suspend(tenant: str) -> None:
    """Suspend a tenant: it can read and cancel, but start nothing."""
    show(run(tenant_status.suspend(database_url(), tenant)))


@tenant.command("activate")
@click.argument("tenant")
def activate(tenant: str) -> None:
    """Reactivate a suspended tenant."""
    show(run(tenant_status.activate(database_url(), tenant)))


@tenant.command("export")
@click.argument("tenant")
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The archive to write (.tar.gz); it must not exist yet.",
)
def export_tenant(tenant: str, output: Path) -> None:
    """Export all rows of a tenant to one archive."""
    if output.exists():
        raise click.ClickException(f"The file {output} already exists.")
    show(run(export.export(database_url(), tenant, output)))
