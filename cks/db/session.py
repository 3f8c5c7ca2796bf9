"""Acts for one tenant at a time, as ``cks_app``: every transaction names its tenant.

Row security does the rest.  ``Dispatch`` (``cks/db/dispatch.py``) finds work in every tenant; it
cannot write or lock, so whatever it finds is acted on through ``Database``.

READ COMMITTED throughout: exclusion relies on constraints and row locks, and the guard of the
last admin was observed to fail under REPEATABLE READ.
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
"""The maximum number of connections per process for single statements."""
DRIVER = "driver"


def driver(session: AsyncSession) -> asyncpg.Connection:
    """Return the driver's own connection, in the session's open transaction.

    For the queries of every request: SQLAlchemy takes four times as long for a statement
    (docs/performance.md).  Placeholders are ``$1``; the session's objects do not see its changes.
    """
    if DRIVER not in session.info:
        lent = session.sync_session.connection().connection
        session.info[DRIVER] = lent.driver_connection
    connection: asyncpg.Connection = session.info[DRIVER]
    return connection


class Database:
    """Acts as ``cks_app``."""

    def __init__(self, url: str, pool_size: int = 20, *, pooled: bool = False) -> None:
        self.engine = connect(url, pool_size, weak=True, idle_seconds=IDLE_SECONDS, pooled=pooled)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._url = url
        self._pooled = pooled
        self._askers: asyncpg.Pool | None = None

    @asynccontextmanager
    async def begin(self, tenant_id: UUID) -> AsyncIterator[AsyncSession]:
        """Open a transaction in which only ``tenant_id``'s rows are accessible.

        It commits at the end of the block.  The setting ends with it, so that a pooled
        connection never carries a tenant over to its next user.
        """
        async with self._transaction(tenant_id) as session:
            await session.execute(SET_TENANT, {"tenant": str(tenant_id)})
            yield session

    @asynccontextmanager
    async def enter(
        self, claim: TokenClaim, asked: Asked
    ) -> AsyncIterator[tuple[AsyncSession, sa.Row[Any] | None]]:
        """Open such a transaction for a token; yield its user and the decision, too.

        Without a row, the token is not valid.  One round trip, where ``begin`` and a query for the
        token would be two.  ``asked``: what is required and where, as ``admit`` takes it.
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
        """Open such a transaction with an operation locked in it; no row if there is none.

        ``state_of`` in ``cks/db/operations/rows.py`` reads the row.  Setting the tenant and locking
        are one round trip.
        """
        params = {"tenant": ref.tenant_id, "wanted": ref.id}
        async with self._transaction(ref.tenant_id) as session:
            connection = await session.connection()
            yield session, (await connection.execute(HOLD, params)).one_or_none()

    def _transaction(self, _: UUID) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a transaction that commits at the end of its block; for a tenant to be set in it."""
        return self._sessions.begin()

    async def ask(self, question: str, *params: object) -> asyncpg.Record | None:
        """Run a single statement that sets its tenant itself; return its row.

        Statement and transaction are one round trip, on separate connections.  The statement must
        call a function that sets ``app.tenant_id`` for its transaction before it reads anything
        (``0015_scopes.sql``).
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
        # If the database does not respond, fail soon instead of waiting for a connection.
        async with (await self._askers).acquire(timeout=CONNECT_SECONDS) as connection:
            if not self._pooled:
                return await connection.fetchrow(question, *params)
            # A pooler may switch servers between a statement's preparation and its execution.
            async with connection.transaction():
                return await connection.fetchrow(question, *params)

    async def schema_revision(self) -> str:
        """Return the schema revision of the database."""
        async with self.engine.connect() as connection:
            query = sa.text("SELECT version_num FROM alembic_version")
            return str(await connection.scalar(query))

    async def close(self) -> None:
        await self.engine.dispose()
        if self._askers:
            self._askers.terminate()


async def _nothing_to_reset(_: asyncpg.Connection) -> None:
    """Skip asyncpg's reset, a round trip: all settings ended with their transactions."""
