"""The tenants' application on a port of its own; nothing relays what it accepts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from aiohttp import ClientSession, ClientTimeout, TCPConnector, web
from aiohttp.test_utils import TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import build_app
from api.http.context import AppContext
from cks.db.admin import tenants
from cks.db.admin.tenants import Founded, NewTenant
from cks.db.announcements import PAUSE_SECONDS, Announcements
from cks.db.catalogue.cache import CatalogueCache
from cks.db.session import Database
from cks.loop import Loop, beside
from cks.settings import Settings
from tests.conftest import Urls
from tests.support.client import Client
from tests.support.people import People
from tests.support.story import Stories

PATIENCE = ClientTimeout(total=20)
LISTENS = sa.text("SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[Client]:
    """Serve on 127.0.0.1, and yield a client without a token."""
    async with (
        TestServer(app, host="127.0.0.1") as server,
        ClientSession(connector=TCPConnector(limit=0), timeout=PATIENCE) as http,
    ):
        yield Client(http, server.make_url("").origin(), None)


@asynccontextmanager
async def listening(announcements: Announcements, owner: AsyncEngine) -> AsyncIterator[None]:
    async with beside(Loop("announcements", PAUSE_SECONDS, announcements.listen)):
        while not await _heard(owner):
            await asyncio.sleep(0.02)
        yield


async def _heard(owner: AsyncEngine) -> bool:
    async with owner.connect() as connection:
        return await connection.scalar(LISTENS) is not None


def surroundings(database: Database, url: str) -> AppContext:
    return AppContext(Settings(), database, CatalogueCache(), Announcements(url), lambda: None)


@pytest.fixture(scope="session")
def context(urls: Urls, database: Database) -> AppContext:
    return surroundings(database, urls.app)


@pytest.fixture(scope="session")
async def stranger(context: AppContext, owner: AsyncEngine) -> AsyncIterator[Client]:
    """Someone without a token."""
    async with listening(context.announcements, owner), serving(build_app(context)) as client:
        yield client


@pytest.fixture
async def client(stranger: Client, founded: Founded) -> Client:
    """The admin of a fresh tenant."""
    return replace(stranger, token=founded.token)


async def admin_of_another(stranger: Client, urls: Urls) -> Client:
    """Return the admin of one more tenant."""
    made = await tenants.create_tenant(urls.owner, NewTenant("another", f"{uuid4()}@a.test"))
    return replace(stranger, token=made.token)


@pytest.fixture
def stories(database: Database, tenant: UUID) -> Stories:
    return Stories(database, tenant)


@pytest.fixture
async def viewer(stranger: Client, urls: Urls, tenant: UUID) -> Client:
    joined = await tenants.create_user(urls.owner, str(tenant), f"{uuid4()}@acme.test", "viewer")
    return replace(stranger, token=joined.token)


@pytest.fixture
def people(urls: Urls, tenant: UUID, client: Client) -> People:
    return People(urls, tenant, client)
