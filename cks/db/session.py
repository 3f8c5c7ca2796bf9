"""The two ways into the database: act for one tenant, or find among all.

``Database`` acts, as ``cks_app``: every transaction names its tenant, and row security does
the rest.  ``Dispatch`` finds, as ``cks_dispatch``: what waits, in every tenant; it can write
and lock nothing, so whoever found something acts on it through ``Database``.

READ COMMITTED throughout: exclusion rests on constraints and row locks, and the guard of the
last admin was seen to fail under REPEATABLE READ.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from cks.db.models.operations import IS_ORPHAN, Operation, OperationStep
from cks.db.models.tenants import Tenant
from cks.domain.operations import LIVE, TERMINAL, OperationRef
from cks.domain.tokens import TokenClaim

Session = AsyncSession
"""A tenant's open transaction."""

SET_TENANT = sa.text("SELECT set_config('app.tenant_id', :tenant, true)")
ENTER = sa.text(
    "SELECT * FROM enter(CAST(:tenant AS uuid), CAST(:digest AS text), CAST(:needed AS text))"
)
HOLD = sa.text("SELECT * FROM hold_operation(CAST(:tenant AS uuid), CAST(:wanted AS uuid), 'wait')")
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30
DISPATCH_CONNECTIONS = 4
IDLE = "idle_in_transaction_session_timeout"
IDLE_SECONDS = 10
ASKERS = 8
"""Connections per process for questions of one statement, at most."""
ADAPTED: Any = AsyncAdapt_asyncpg_dbapi(asyncpg)  # type: ignore[no-untyped-call]
UNNAMED = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
"""How SQLAlchemy prepares statements that are forgotten at once."""
DRIVER = "driver"
ALONE_SECONDS = 60
"""How long who reconciles alone may take for a pass, or hang, before another one may."""


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
                await _refuse_power(connection)
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
        self, claim: TokenClaim, permission: str | None
    ) -> AsyncIterator[tuple[AsyncSession, sa.Row[Any] | None]]:
        """Open such a transaction for whoever has a token, and tell who that is.

        No row: the token opens nothing.  It is one trip to the server where ``begin`` and a
        look at the token would be two.
        """
        told = {"tenant": claim.tenant_id, "digest": claim.digest, "needed": permission}
        async with self._transaction(claim.tenant_id) as session:
            connection = await session.connection()
            yield session, (await connection.execute(ENTER, told)).one_or_none()

    @asynccontextmanager
    async def hold(
        self, ref: OperationRef
    ) -> AsyncIterator[tuple[AsyncSession, sa.Row[Any] | None]]:
        """Open such a transaction with an operation locked in it; no row: there is none.

        See ``states.state_of``.  Locking comes with the transaction's first trip.
        """
        told = {"tenant": ref.tenant_id, "wanted": ref.id}
        async with self._transaction(ref.tenant_id) as session:
            connection = await session.connection()
            yield session, (await connection.execute(HOLD, told)).one_or_none()

    def _transaction(self, _: UUID) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a transaction that commits at the end of its block; for a tenant to be set in it."""
        return self._sessions.begin()

    async def ask(self, question: str, *told: object) -> asyncpg.Record | None:
        """Ask one question, which names its tenant itself; return its row.

        It is a statement and a transaction in one, on connections of its own: once to the
        server and back.  The question must be a function that sets ``app.tenant_id`` for its
        transaction before it looks at anything (``0011_fewer_trips.sql``).
        """
        if self._askers is None:
            self._askers = asyncpg.create_pool(
                self._url,
                min_size=0,
                max_size=ASKERS,
                init=_refuse_power,
                reset=_nothing_to_reset,
                timeout=CONNECT_SECONDS,
                command_timeout=STATEMENT_SECONDS,
                **({"statement_cache_size": 0} if self._pooled else {}),
            )
        if not self._pooled:
            return await (await self._askers).fetchrow(question, *told, timeout=STATEMENT_SECONDS)
        # A pooler may take the server away between a statement's preparation and its execution.
        async with (await self._askers).acquire() as connection, connection.transaction():
            return await connection.fetchrow(question, *told)

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


@dataclass(frozen=True, slots=True)
class Found:
    """An operation that wants attention, as ``cks_dispatch`` may see it."""

    ref: OperationRef
    type: str
    workflow_id: str
    fence: int | None = None


class Dispatch:
    """Finds, as ``cks_dispatch``: what waits, in every tenant, and nothing more."""

    def __init__(self, url: str, *, pooled: bool = False) -> None:
        self.engine = connect(
            url, DISPATCH_CONNECTIONS, weak=True, idle_seconds=ALONE_SECONDS, pooled=pooled
        )

    async def find_undelivered(self, types: Collection[str], limit: int) -> Sequence[Found]:
        """Find runnable operations that no run was started for, the oldest first."""
        waiting = Operation.runnable_at.is_not(None), Operation.dispatched_at.is_(None)
        return await self._find(Operation.status.in_(LIVE), *waiting, types=types, limit=limit)

    async def find_cancelled(self, types: Collection[str], limit: int) -> Sequence[Found]:
        """Find live operations with a run that a tenant wants to end."""
        wanted = Operation.cancel_requested_at.is_not(None), Operation.ending.is_(None)
        return await self._find(
            Operation.status.in_(LIVE),
            Operation.dispatched_at.is_not(None),
            *wanted,
            types=types,
            limit=limit,
        )

    async def find_delivered(
        self, types: Collection[str], limit: int, quiet_seconds: float
    ) -> Sequence[Found]:
        """Find live operations that should have a run and told nothing for some seconds.

        Any of them, where there are more than ``limit``: each has its turn before long.
        """
        return await self._find(
            Operation.status.in_(LIVE),
            Operation.dispatched_at.is_not(None),
            _untouched_for(quiet_seconds),
            types=types,
            limit=limit,
            order=sa.func.random(),
        )

    async def find_settled(
        self, types: Collection[str], limit: int, quiet_seconds: float, within_seconds: float
    ) -> Sequence[Found]:
        """Find operations that ended a while ago, but not long: their runs should have, too."""
        return await self._find(
            Operation.status.in_(TERMINAL),
            Operation.dispatched_at.is_not(None),
            _ended_before(quiet_seconds),
            sa.not_(_ended_before(within_seconds)),
            types=types,
            limit=limit,
            order=sa.func.random(),
        )

    async def find_due(
        self, types: Collection[str], limit: int, lead_seconds: float
    ) -> Sequence[Found]:
        """Find live operations whose deadline is that near, or past."""
        due = Operation.deadline_at < sa.func.now() + timedelta(seconds=lead_seconds)
        live = Operation.status.in_(LIVE)
        soonest = Operation.deadline_at.asc()
        return await self._find(live, due, types=types, limit=limit, order=soonest)

    async def find_orphaned(self, types: Collection[str], limit: int) -> Sequence[Found]:
        """Find operations that ended and left something which is not removed yet.

        Any of them, where there are more than ``limit``.  As an array they are read first: the
        planner takes swept orphans for orphans, and would read all operations.
        """
        orphans = sa.select(OperationStep.operation_id).where(IS_ORPHAN).scalar_subquery()
        left = Operation.id == sa.any_(sa.func.array(orphans))
        return await self._find(left, types=types, limit=limit, order=sa.func.random())

    async def find_tenants(self, after: UUID, limit: int) -> Sequence[UUID]:
        """Return the ids of tenants that follow ``after``, in order."""
        query = sa.select(Tenant.id).where(Tenant.id > after).order_by(Tenant.id).limit(limit)
        async with self.engine.connect() as connection:
            return (await connection.scalars(query)).all()

    @asynccontextmanager
    async def alone(self, key: int) -> AsyncIterator[bool]:
        """Hold an advisory lock, if nobody else does, for as long as the block lasts.

        It ends with its transaction, and so with its connection: nothing is to be unlocked.
        """
        async with self.engine.connect() as connection:
            yield bool(await connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(key))))

    async def undelivered_seconds(self) -> float:
        """Return how long the runnable operation that waits longest for a run has waited.

        By the database's clock, as everything: this process's own may be wrong.
        """
        waiting = sa.func.now() - sa.func.min(Operation.runnable_at)
        query = sa.select(sa.extract("epoch", waiting)).where(
            Operation.status.in_(LIVE), Operation.dispatched_at.is_(None)
        )
        async with self.engine.connect() as connection:
            return float(await connection.scalar(query) or 0)

    async def _find(
        self,
        *conditions: sa.ColumnElement[bool],
        types: Collection[str],
        limit: int,
        order: sa.ColumnElement[Any] | None = None,
    ) -> Sequence[Found]:
        one = Operation
        columns = (one.tenant_id, one.id, one.type, one.workflow_id, one.fence)
        query = sa.select(*columns).where(one.type.in_(types), *conditions).limit(limit)
        query = query.order_by(one.runnable_at if order is None else order)
        async with self.engine.connect() as connection:
            rows = await connection.execute(query)
            return [Found(OperationRef(r[0], r[1]), r[2], str(r[3]), r[4]) for r in rows]

    async def close(self) -> None:
        await self.engine.dispose()


def _ended_before(seconds: float) -> sa.ColumnElement[bool]:
    return Operation.completed_at < sa.func.now() - timedelta(seconds=seconds)


def _untouched_for(seconds: float) -> sa.ColumnElement[bool]:
    return Operation.updated_at < sa.func.now() - timedelta(seconds=seconds)


POWERS = """
SELECT current_user AS role,
       EXISTS (SELECT FROM pg_roles r WHERE r.rolsuper AND pg_has_role(r.oid, 'MEMBER')) AS super,
       EXISTS (SELECT FROM pg_roles r
                WHERE r.rolbypassrls AND pg_has_role(r.oid, 'MEMBER')) AS bypasses,
       EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'public' AND pg_has_role(c.relowner, 'MEMBER')) AS owns
"""


async def _refuse_power(connection: asyncpg.Connection) -> None:
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
