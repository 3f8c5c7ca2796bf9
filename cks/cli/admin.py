"""``cks admin``: what an operator does to the database, by hand.

Answers are JSON on stdout, an object a line, a secret once; what goes wrong is one line on
stderr and exit status 1.
"""

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import asdict
from typing import Any, TypeVar

import click

from cks import settings
from cks.db import migrate, tenants
from cks.db.owner import NoDatabase, NotDone
from cks.db.tenants import Founded, Issued, Joined, NewTenant, TenantLine, UserLine

Made = TypeVar("Made")


def register(group: click.Group) -> None:
    """Add ``migrate``, ``tenant``, ``user`` and ``token`` to ``cks admin``."""
    for command in (migrate_, tenant, user, token):
        group.add_command(command)


@click.command("migrate")
def migrate_() -> None:
    """Bring the database to the newest schema."""
    _run(migrate.upgrade(_url()))
    click.echo(f"The schema is at {migrate.head()}.")


@click.group()
def tenant() -> None:
    """Tenants."""


@tenant.command("create")
@click.argument("name")
@click.option("--admin-email", required=True, help="Address of the tenant's first admin.")
@click.option("--timezone", default="UTC", show_default=True, help="An IANA name.")
@click.option("--currency", default="USD", show_default=True, help="An ISO 4217 code.")
@click.option(
    "--billing-cycle", default="month", show_default=True, type=click.Choice(["month", "day"])
)
def create_tenant(
    name: str, admin_email: str, timezone: str, currency: str, billing_cycle: str
) -> None:
    """Make a tenant with its roles, its quotas and its first admin."""
    wish = NewTenant(name, admin_email, timezone, currency, billing_cycle)
    _show(_run(tenants.create_tenant(_url(), wish, unique_name=True)))


@tenant.command("list")
def list_tenants() -> None:
    """Print every tenant: a JSON object a line."""
    _show(*_run(tenants.list_tenants(_url())))


@click.group()
def user() -> None:
    """Users."""


@user.command("create")
@click.option("--tenant", required=True, help="The tenant's id, or its name.")
@click.option("--email", required=True)
@click.option("--role", required=True, help="A role of the tenant, such as developer.")
def create_user(tenant: str, email: str, role: str) -> None:
    """Make a user with a role and a token."""
    _show(_run(tenants.create_user(_url(), tenant, email, role)))


@user.command("list")
@click.option("--tenant", required=True, help="The tenant's id, or its name.")
def list_users(tenant: str) -> None:
    """Print every user of a tenant: a JSON object a line."""
    _show(*_run(tenants.list_users(_url(), tenant)))


@click.group()
def token() -> None:
    """Bearer tokens."""


@token.command("create")
@click.option("--user", required=True, help="The user's id or address.")
@click.option("--name", help="What the user knows the token by; made up if left out.")
def create_token(user: str, name: str | None) -> None:
    """Make a token, and show it this once."""
    _show(_run(tenants.create_token(_url(), user, name)))


def _url() -> str:
    return settings.load(development=True).database_url


def _run(work: Coroutine[Any, Any, Made]) -> Made:
    try:
        return asyncio.run(work)
    except NoDatabase as error:
        raise click.ClickException(f"{error} Start `make dev`, or set CKS_DATABASE_URL.") from error
    except NotDone as error:
        raise click.ClickException(str(error)) from error


def _show(*answers: Founded | Joined | Issued | TenantLine | UserLine) -> None:
    for answer in answers:
        click.echo(json.dumps(asdict(answer), default=str))
