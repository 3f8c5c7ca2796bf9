"""A real PostgreSQL, migrated, and a real Temporal: each once per session."""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from cks.db.admin import migrate, tenants
from cks.db.admin.logins import let_in, passwords_of
from cks.db.admin.tenants import Founded, NewTenant
from cks.db.connections import connect
from cks.db.dispatch import Dispatch
from cks.db.session import Database
from cks.temporal.engine import SEARCH_ATTRIBUTES
from tests.support.servers import PASSWORD, postgres


def pytest_unconfigure() -> None:
    time.sleep(0.3)  # Temporal's SDK can crash if the interpreter exits under it


@dataclass(frozen=True, slots=True)
class Urls:
    """How the database is reached, in libpq's form, as each of the three logins."""

    owner: str
    app: str
    dispatch: str


@asynccontextmanager
async def migrated(prefer: Path | None = None) -> AsyncIterator[Urls]:
    """Run a PostgreSQL with the newest schema in it; ``prefer`` names a folder of binaries."""
    with postgres(prefer) as server:
        urls = Urls(
            *(server.url(PASSWORD, role) for role in ("postgres", "cks_app", "cks_dispatch"))
        )
        await migrate.upgrade(urls.owner)
        await let_in(urls.owner, passwords_of(urls.app, urls.dispatch))
        yield urls


@pytest.fixture(scope="session")
async def urls() -> AsyncIterator[Urls]:
    async with migrated() as urls:
        yield urls


@pytest.fixture(scope="session")
async def owner(urls: Urls) -> AsyncIterator[AsyncEngine]:
    """A superuser's engine: what row security does not bind."""
    engine = connect(urls.owner, pool_size=5)
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
async def database(urls: Urls) -> AsyncIterator[Database]:
    database = Database(urls.app)
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def dispatch(urls: Urls) -> AsyncIterator[Dispatch]:
    dispatch = Dispatch(urls.dispatch)
    yield dispatch
    await dispatch.close()


@pytest.fixture
async def founded(urls: Urls) -> Founded:
    """A fresh tenant, its admin, and the admin's token."""
    return await tenants.create_tenant(urls.owner, NewTenant("acme", f"{uuid4()}@acme.test"))


@pytest.fixture
def tenant(founded: Founded) -> UUID:
    return founded.tenant_id


FAST = (
    "frontend.WorkflowPauseEnabled=true",
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    "history.visibilityProcessorMaxPollRPS=2000",
    "matching.enableFairness=true",
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
)


@asynccontextmanager
async def running_temporal() -> AsyncIterator[Client]:
    """Run a Temporal server of our own."""
    settings = [word for setting in FAST for word in ("--dynamic-config-value", setting)]
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_extra_args=settings,
        search_attributes=SEARCH_ATTRIBUTES,
    ) as environment:
        yield environment.client


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[Client]:
    async with running_temporal() as client:
        yield client
