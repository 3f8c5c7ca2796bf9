"""``cks admin``: what an operator does to the database, by hand.  A secret is shown once."""

import click

from cks import settings
from cks.cli.answers import database_url, run, show
from cks.db.admin import migrate, tenants
from cks.db.admin.logins import let_in, passwords_of
from cks.db.schema import needed_revision
from cks.settings import Settings


def register(group: click.Group) -> None:
    """Add ``migrate``, ``user`` and ``token`` to ``cks admin``."""
    for command in (migrate_, user, token):
        group.add_command(command)


@click.command("migrate")
@click.option(
    "--logins", is_flag=True, help="Also set the passwords of both logins from their URLs."
)
def migrate_(*, logins: bool) -> None:
    """Migrate the database to the newest schema.

    With --logins, cks_app and cks_dispatch get the passwords given in CKS_APP_DATABASE_URL and
    CKS_DISPATCH_DATABASE_URL.
    """
    given = settings.load(development=True)
    run(migrate.upgrade(given.database_url))
    click.echo(f"The schema is at {needed_revision()}.")
    if logins:
        run(_let_in(given))


async def _let_in(given: Settings) -> None:
    passwords = passwords_of(given.app_database_url, given.dispatch_database_url)
    await let_in(given.database_url, passwords)
    click.echo(f"Passwords set for: {', '.join(passwords) or 'nobody, since no URL is set'}.")


@click.group()
def user() -> None:
    """Manage users."""


@user.command("create")
@click.option("--tenant", required=True, help="The tenant's id, or its name.")
@click.option("--email", required=True)
@click.option("--role", required=True, help="A role of the tenant, such as developer.")
def create_user(tenant: str, email: str, role: str) -> None:
    """Create a user with a role and a token."""
    show(run(tenants.create_user(database_url(), tenant, email, role)))


@user.command("list")
@click.option("--tenant", required=True, help="The tenant's id, or its name.")
def list_users(tenant: str) -> None:
    """Print every user of a tenant, one JSON object per line."""
    show(*run(tenants.list_users(database_url(), tenant)))


@click.group()
def token() -> None:
    """Manage bearer tokens."""


@token.command("create")
@click.option("--user", required=True, help="The user's id or email address.")
@click.option("--name", help="A name by which the user recognizes the token; generated if omitted.")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    help="Limit the token to this permission of the user, such as clusters.read; repeatable.",
)
def create_token(user: str, name: str | None, permissions: tuple[str, ...]) -> None:
    """Create a token and show it, this once only."""
    show(run(tenants.create_token(database_url(), user, name, permissions)))
