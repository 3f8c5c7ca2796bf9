"""The owner's connection, which migrations and ``cks admin`` use.

The login may be a superuser or any role that may ``SET ROLE cks_owner``.  Row security is
forced, so it applies to the owner too; the policy ``owner_maintains`` lets it through.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from cks.db.connections import cause_of, connect

NO_SCHEMA = ("42P01", "22023")
"""SQLSTATEs of a missing table, and of a missing role for SET ROLE."""


BECOME_OWNER = sa.text("SET LOCAL ROLE cks_owner")


class NotDone(Exception):  # noqa: N818
    """Nothing was changed; the message says why in one line."""


class NoDatabase(NotDone):
    """The database cannot be reached, or there is no URL."""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncConnection]:
    """Open one transaction as the login itself; raise ``NotDone`` if the database refuses."""
    if not url:
        raise NoDatabase("CKS_DATABASE_URL, the database to work on, is not set.")
    # No time limit: a migration of large tables is slow, and waits for one that is already running.
    engine = connect(url, pool_size=1, statement_seconds=None)
    try:
        async with engine.begin() as connection:
            yield connection
    except (asyncpg.ClientConfigurationError, ValueError) as error:
        raise NotDone(f"CKS_DATABASE_URL is not usable: {_line(error)}") from error
    except OSError as error:
        raise NoDatabase(f"The database cannot be reached: {_line(error)}.") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError) as error:
        raise NotDone(f"The database refused: {_line(error)}") from error
    finally:
        await engine.dispose()


@asynccontextmanager
async def as_owner(url: str) -> AsyncIterator[AsyncConnection]:
    """Open one transaction as ``cks_owner``, committed at the end of the block."""
    async with connected(url) as connection:
        await connection.execute(BECOME_OWNER)
        yield connection


def _line(error: Exception) -> str:
    """Return the first line of PostgreSQL's or the network's error, and a hint."""
    cause = cause_of(error)
    said = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
    hint = " (is the schema missing? run `cks admin migrate`)"
    return said + hint * (getattr(cause, "sqlstate", None) in NO_SCHEMA)
