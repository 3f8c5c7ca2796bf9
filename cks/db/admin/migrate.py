"""Migrates the database to a revision: for ``cks admin migrate``, tests and ``make dev``.

A migration is one transaction as ``cks_owner``, so that every object belongs to that role,
regardless of the login.  It holds a lock throughout: others wait, and then find nothing to do.
"""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy.ext.asyncio import AsyncConnection

from cks.db.admin.connection import BECOME_OWNER, NotDone, connected

FOLDER = Path(__file__).parents[1] / "migrations"
LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('cks migrations', 0))")
MAY_MAKE_ROLES = sa.text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
HAS_OWNER = sa.text(
    "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'cks_owner'"
    " AND pg_has_role(oid, 'MEMBER') AND has_schema_privilege(oid, 'public', 'CREATE'))"
)


async def upgrade(url: str, revision: str = "head") -> None:
    """Upgrade the database to a revision; raise ``NotDone`` if that fails."""
    await _run(url, lambda config: command.upgrade(config, revision))


async def downgrade(url: str, revision: str) -> None:
    """Downgrade the database to a revision, ``base`` for none; this deletes data."""
    await _run(url, lambda config: command.downgrade(config, revision))


async def check(url: str) -> None:
    """Raise ``NotDone`` if models and database differ."""
    await _run(url, command.check)


async def _run(url: str, order: Callable[[Config], None]) -> None:
    async with connected(url) as connection:
        await connection.execute(LOCK)
        await _become_owner(connection)
        try:
            await connection.run_sync(lambda synchronous: order(_config(synchronous)))
        except CommandError as error:
            raise NotDone(str(error)) from error


async def _become_owner(connection: AsyncConnection) -> None:
    if await connection.scalar(MAY_MAKE_ROLES):
        raw = await connection.get_raw_connection()
        roles = (FOLDER / "roles.sql").read_text(encoding="utf-8")
        await raw.driver_connection.execute(roles)  # type: ignore[union-attr]
    elif not await connection.scalar(HAS_OWNER):
        raise NotDone(
            "This login may not act as cks_owner here. A DBA runs cks/db/migrations/roles.sql"
            " in this database and grants cks_owner to the login."
        )
    await connection.execute(BECOME_OWNER)


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    # ConfigParser interpolates: a % in the path must be doubled.
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
