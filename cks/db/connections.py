"""Connections to PostgreSQL: how they are made, whose they may be, and how they fail.

``connect`` is for ``cks/db`` and the tests; everybody else comes in by ``Database`` or
``Dispatch``.
"""

from typing import Any

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

CONNECT_SECONDS = 5


STATEMENT_SECONDS = 30


IDLE = "idle_in_transaction_session_timeout"


ADAPTED: Any = AsyncAdapt_asyncpg_dbapi(asyncpg)  # type: ignore[no-untyped-call]


UNNAMED = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
"""How SQLAlchemy prepares statements that are forgotten at once."""


class WrongRole(Exception):  # noqa: N818
    """The login can do more than its work needs; the message says what."""


def connect(
    url: str,
    pool_size: int,
    *,
    statement_seconds: float | None = STATEMENT_SECONDS,
    weak: bool = False,
    idle_seconds: int = 0,
    pooled: bool = False,
) -> AsyncEngine:
    """Return an engine for a URL in libpq's form; its connections give up instead of hanging.

    asyncpg itself reads the URL, so what libpq takes (``sslmode``, ``application_name``) goes.
    ``weak``: every connection is asked for its role before it is lent, and ``WrongRole`` raised
    for one that could do more than the service's work needs, whenever the server came.
    ``idle_seconds``: after so long without a word in the middle of a transaction the server ends
    it, so that a process that hangs holds no lock for long; 0 for never.
    ``pooled``: a pooler lends the server for a transaction at a time, so that no statement is
    kept and no setting made at the beginning (docs/production.md).
    """
    idle = idle_seconds and not pooled
    kept = {"statement_cache_size": 0} if pooled else {}

    async def open_one() -> asyncpg.Connection:
        connection = await asyncpg.connect(
            url,
            timeout=CONNECT_SECONDS,
            command_timeout=statement_seconds,
            server_settings={IDLE: f"{idle_seconds}s"} if idle else None,
            **kept,
        )
        try:
            if weak:
                await refuse_power(connection)
        except BaseException:  # whoever waits for it may be cancelled meanwhile
            connection.terminate()
            raise
        return connection

    unnamed = UNNAMED if pooled else {}
    return create_async_engine(
        "postgresql+asyncpg://",
        creator=lambda: ADAPTED.connect(async_creator_fn=open_one, **unnamed),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        hide_parameters=True,  # an error's text is logged
    )


POWERS = """
SELECT current_user AS role,
       EXISTS (SELECT FROM pg_roles r WHERE r.rolsuper AND pg_has_role(r.oid, 'MEMBER')) AS super,
       EXISTS (SELECT FROM pg_roles r
                WHERE r.rolbypassrls AND pg_has_role(r.oid, 'MEMBER')) AS bypasses,
       EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'public' AND pg_has_role(c.relowner, 'MEMBER')) AS owns
"""


async def refuse_power(connection: asyncpg.Connection) -> None:
    """Raise ``WrongRole`` if who is connected could do more than the service's work needs."""
    async with connection.transaction():
        found = await connection.fetchrow(POWERS)
    powers = {
        "a superuser": found["super"],
        "exempt from row security": found["bypasses"],
        "an owner of the tables": found["owns"],
    }
    held = [power for power, has in powers.items() if has]
    if held:
        who = f"{found['role']} is {' and '.join(held)}"
        raise WrongRole(f"{who}; API and worker run as cks_app and cks_dispatch")


async def check_role(engine: AsyncEngine) -> None:
    """Raise ``WrongRole`` if the login is an owner, a superuser, or bypasses row security."""
    async with engine.connect():
        return


AWAY = ("08", "53", "57P0", "57014", "25006", "40001", "40P01", "55P03")
"""SQLSTATEs that pass: no connection, no resources (a full disk too), restarting, cancelled by
an operator, demoted to a standby, a deadlock."""


def is_away(error: BaseException) -> bool:
    """Say whether the database was away or full, so that asking again later is right."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate).startswith(AWAY)
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, asyncpg.DataError)  # what cannot be encoded is a bug
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        lost = isinstance(error, OperationalError | InterfaceError) and not state
        return error.connection_invalidated or lost or state.startswith(AWAY)
    return isinstance(error, OSError | TimeoutError | PoolTimeoutError)


def constraint_of(error: DBAPIError) -> str | None:
    """Return the name of the constraint that a statement met."""
    name: str | None = getattr(cause_of(error), "constraint_name", None)
    return name


def cause_of(error: Exception) -> BaseException:
    """Return what asyncpg raised, under SQLAlchemy's two wrappings of it."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error
