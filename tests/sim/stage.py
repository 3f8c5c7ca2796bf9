"""Where the histories are played: a PostgreSQL that remembers, its gates, and its tenants."""

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from api.app import build_app
from cks.db.admin import tenants
from cks.db.admin.tenants import Founded, NewTenant
from cks.db.connections import connect
from cks.db.dispatch import Dispatch, Found
from cks.db.models.operations import Operation
from cks.db.session import Database
from tests.api.conftest import serving, surroundings
from tests.conftest import migrated
from tests.sim.gates import BEGIN, COMMITTED, WentAway, gate
from tests.support.client import Client

LANES = 4

REMEMBER_EVERY_VERSION = (
    """CREATE TABLE versions (n bigserial, id uuid, status text, progress int, fence bigint,
                              run_id text)""",
    "CREATE INDEX ON versions (id)",
    """CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        INSERT INTO versions (id, status, progress, fence, run_id)
        VALUES (NEW.id, NEW.status, NEW.progress, NEW.fence, NEW.run_id); RETURN NULL; END $$""",
    """CREATE TRIGGER remember AFTER INSERT OR UPDATE ON operations
        FOR EACH ROW EXECUTE FUNCTION remember()""",
    "GRANT SELECT ON versions TO cks_app",
)
AGE = sa.text("""
UPDATE operation_steps SET failing_since = failing_since - interval '1 hour'
 WHERE operation_id = :operation
""")


class GatedDatabase(Database):
    """``doomed``: how many more commits those who act for a tenant live to see."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.doomed: dict[UUID, int] = {}

    @contextmanager
    def dooming(self, tenant_id: UUID, commits: int = 0) -> Iterator[None]:
        self.doomed[tenant_id] = commits
        try:
            yield
        finally:
            del self.doomed[tenant_id]

    @asynccontextmanager
    async def _transaction(self, tenant_id: UUID) -> AsyncIterator[AsyncSession]:
        await gate(BEGIN)
        async with super()._transaction(tenant_id) as session:
            yield session
            self._live_or_die(tenant_id)
        await gate(COMMITTED)

    def _live_or_die(self, tenant_id: UUID) -> None:
        if tenant_id in self.doomed:
            self.doomed[tenant_id] -= 1
            if self.doomed[tenant_id] < 0:
                raise WentAway("nothing was committed")


class DispatchOfOne(Dispatch):
    """Finds nothing but one operation."""

    def __init__(self, engine: AsyncEngine, operation_id: UUID) -> None:
        self.engine = engine
        self.operation_id = operation_id

    async def _find(self, *given: Any, **how: Any) -> Sequence[Found]:
        return await super()._find(*given, Operation.id == self.operation_id, **how)


AGE_DEADLINES = sa.text("""
UPDATE operations SET forward_until = forward_until - interval '1 hour',
                      deadline_at = deadline_at - interval '1 hour' WHERE id = :operation
""")


@dataclass(frozen=True)
class Stage:
    """``lanes``: a tenant for each history that is played at the same time."""

    database: GatedDatabase
    dispatch: AsyncEngine
    owner: AsyncEngine
    stranger: Client
    lanes: Sequence[Founded]

    async def age(self, operation_id: UUID) -> None:
        """Let an hour pass for an operation's failing steps."""
        async with self.owner.begin() as connection:
            await connection.execute(AGE, {"operation": operation_id})

    async def age_deadlines(self, operation_id: UUID) -> None:
        """Let an hour of an operation's time pass."""
        async with self.owner.begin() as connection:
            await connection.execute(AGE_DEADLINES, {"operation": operation_id})


@asynccontextmanager
async def stage(lanes: int = LANES) -> AsyncIterator[Stage]:
    with silence():
        async with _built(lanes) as built:
            yield built


@contextmanager
def silence() -> Iterator[None]:
    """Let nobody log the trouble that we make."""
    loggers = [logging.getLogger(name) for name in ("cks", "temporalio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@asynccontextmanager
async def _built(lanes: int) -> AsyncIterator[Stage]:
    async with migrated() as urls:
        owner = connect(urls.owner, lanes)
        async with owner.begin() as connection:
            for statement in REMEMBER_EVERY_VERSION:
                await connection.execute(sa.text(statement))
        founded = [
            await tenants.create_tenant(urls.owner, NewTenant(f"lane {n}", f"{uuid4()}@acme.test"))
            for n in range(lanes)
        ]
        async with owner.begin() as connection:
            await connection.execute(sa.text("UPDATE quotas SET maximum = 1000000"))
        database, dispatch = GatedDatabase(urls.app), connect(urls.dispatch, lanes)
        context = surroundings(database, urls.app)
        async with serving(build_app(context)) as stranger:
            yield Stage(database, dispatch, owner, stranger, founded)
        for engine in (owner, database.engine, dispatch):
            await engine.dispose()
