"""Connections to PostgreSQL: how they are opened, as which roles, and how they fail.

``connect`` is for ``cks/db`` and the tests; all other code uses ``Database`` or ``Dispatch``.
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
"""Makes SQLAlchemy prepare unnamed statements, and keep none."""


class WrongRole(Exception):  # noqa: N818
    """The login can do more than its work requires; the message says what."""


def connect(
    url: str,
    pool_size: int,
    *,
    statement_seconds: float | None = STATEMENT_SECONDS,
    weak: bool = False,
    idle_seconds: int = 0,
    pooled: bool = False,
) -> AsyncEngine:
    """Return an engine for a URL in libpq's form; its connections time out instead of hanging.

    asyncpg itself parses the URL, so libpq's parameters work (``sslmode``, ``application_name``).
    ``weak``: the role of every new connection is checked, and ``WrongRole`` raised if it can do
    more than the service's work requires, even if the server was unavailable at the start.
    ``idle_seconds``: the server ends a transaction that is idle for so long, so that a process
    that hangs does not hold locks for long; 0 for never.
    ``pooled``: a pooler assigns servers per transaction, so no statement stays prepared and no
    setting is made when a connection starts (docs/production.md).
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
        except BaseException:  # also if its task is cancelled meanwhile
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
    """Raise ``WrongRole`` if the login can do more than the service's work requires."""
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
"""Transient SQLSTATEs (PostgreSQL's appendix "Error Codes"): no connection, no resources (a full
disk too), restarting, cancelled by an operator, demoted to a standby, a deadlock."""


def is_away(error: BaseException) -> bool:
    """Say whether the database was unavailable or full, so that trying again later may work."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate).startswith(AWAY)
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, asyncpg.DataError)  # a value that cannot be encoded is a bug
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        lost = isinstance(error, OperationalError | InterfaceError) and not state
        return error.connection_invalidated or lost or state.startswith(AWAY)
    return isinstance(error, OSError | TimeoutError | PoolTimeoutError)


def constraint_of(error: DBAPIError) -> str | None:
    """Return the name of the constraint that a statement violated."""
    name: str | None = getattr(cause_of(error), "constraint_name", None)
    return name


def cause_of(error: Exception) -> BaseException:
    """Return what asyncpg raised, from under SQLAlchemy's two wrappers."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error
