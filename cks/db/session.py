"""Acts for one tenant at a time, as ``cks_app``: every transaction names its tenant.

Row security does the rest.  ``Dispatch`` (``cks/db/dispatch.py``) finds work in every tenant; it
can write and lock nothing, so whoever found something acts on it through ``Database``.

READ COMMITTED throughout: exclusion rests on constraints and row locks, and the guard of the
last admin was seen to fail under REPEATABLE READ.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cks.db.connections import CONNECT_SECONDS, STATEMENT_SECONDS, connect, refuse_power
from cks.domain.operations.lifecycle import OperationRef
from cks.domain.people.tokens import TokenClaim

Session = AsyncSession
"""A tenant's open transaction."""

SET_TENANT = sa.text("SELECT set_config('app.tenant_id', :tenant, true)")
ADMIT = sa.text("""
SELECT * FROM admit(CAST(:tenant AS uuid), CAST(:digest AS text), CAST(:needed AS text),
                    CAST(:place AS text), CAST(:wanted AS uuid), CAST(:named AS text))
""")
HOLD = sa.text("""
SELECT (h.operation).*, h.now, h.steps
  FROM held_operation(CAST(:tenant AS uuid), CAST(:wanted AS uuid), 'wait') h
""")
Asked = tuple[str | None, str, UUID | None, str | None]
IDLE_SECONDS = 10
ASKERS = 8
"""Connections per process for questions of one statement, at most."""
DRIVER = "driver"


def driver(session: AsyncSession) -> asyncpg.Connection:
    """Return the driver's own connection, in the session's open transaction.

    For what every request asks: SQLAlchemy takes four times as long for a statement
    (docs/performance.md).  Placeholders are ``$1``; objects of the session know nothing of it.
    """
    if DRIVER not in session.info:
        lent = session.sync_session.connection().connection
        session.info[DRIVER] = lent.driver_connection
    connection: asyncpg.Connection = session.info[DRIVER]
    return connection


class Database:
    """Acts, as ``cks_app``."""

    def __init__(self, url: str, pool_size: int = 20, *, pooled: bool = False) -> None:
        self.engine = connect(url, pool_size, weak=True, idle_seconds=IDLE_SECONDS, pooled=pooled)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._url = url
        self._pooled = pooled
        self._askers: asyncpg.Pool | None = None

    @asynccontextmanager
    async def begin(self, tenant_id: UUID) -> AsyncIterator[AsyncSession]:
        """Open the one transaction in which ``tenant_id``'s rows can be touched.

        It commits at the end of the block.  The setting ends with it, so that a pooled
        connection never carries a tenant to its next user.
        """
        async with self._transaction(tenant_id) as session:
            await session.execute(SET_TENANT, {"tenant": str(tenant_id)})
            yield session

    @asynccontextmanager
    async def enter(
        self, claim: TokenClaim, asked: Asked
    ) -> AsyncIterator[tuple[AsyncSession, sa.Row[Any] | None]]:
        """Open such a transaction for whoever has a token; tell who that is, and whether they may.

        No row: the token opens nothing.  It is one trip to the server where ``begin`` and a
        look at the token would be two.  ``asked``: what is needed and where, as ``admit`` takes it.
        """
        names = dict(zip(("needed", "place", "wanted", "named"), asked, strict=True))
        params = {"tenant": claim.tenant_id, "digest": claim.digest, **names}
        async with self._transaction(claim.tenant_id) as session:
            connection = await session.connection()
            yield session, (await connection.execute(ADMIT, params)).one_or_none()

    @asynccontextmanager
    async def hold(
        self, ref: OperationRef
    ) -> AsyncIterator[tuple[AsyncSession, sa.Row[Any] | None]]:
        """Open such a transaction with an operation locked in it; no row: there is none.

        ``state_of`` in ``cks/db/operations/rows.py`` reads it.  Locking comes with the
        transaction's first trip.
        """
        params = {"tenant": ref.tenant_id, "wanted": ref.id}
        async with self._transaction(ref.tenant_id) as session:
            connection = await session.connection()
            yield session, (await connection.execute(HOLD, params)).one_or_none()

    def _transaction(self, _: UUID) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a transaction that commits at the end of its block; for a tenant to be set in it."""
        return self._sessions.begin()

    async def ask(self, question: str, *params: object) -> asyncpg.Record | None:
        """Ask one question, which names its tenant itself; return its row.

        It is a statement and a transaction in one, on connections of its own: once to the
        server and back.  The question must be a function that sets ``app.tenant_id`` for its
        transaction before it looks at anything (``0015_scopes.sql``).
        """
        if self._askers is None:
            self._askers = asyncpg.create_pool(
                self._url,
                min_size=0,
                max_size=ASKERS,
                init=refuse_power,
                reset=_nothing_to_reset,
                timeout=CONNECT_SECONDS,
                command_timeout=STATEMENT_SECONDS,
                **({"statement_cache_size": 0} if self._pooled else {}),
            )
        # Where the database is silent, whoever waits for a connection is told so soon.
        async with (await self._askers).acquire(timeout=CONNECT_SECONDS) as connection:
            if not self._pooled:
                return await connection.fetchrow(question, *params)
            # A pooler may take the server away between a statement's preparation and execution.
            async with connection.transaction():
                return await connection.fetchrow(question, *params)

    async def schema_revision(self) -> str:
        """Return the revision that the database is at."""
        async with self.engine.connect() as connection:
            query = sa.text("SELECT version_num FROM alembic_version")
            return str(await connection.scalar(query))

    async def close(self) -> None:
        await self.engine.dispose()
        if self._askers:
            self._askers.terminate()


async def _nothing_to_reset(_: asyncpg.Connection) -> None:
    """Leave a connection as it is: what was set ended with its transaction."""
