"""A database of its own for each test that lists what is in all of it."""

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.db.admin import migrate, tenants
from cks.db.admin.tenants import NewTenant
from cks.db.connections import connect
from tests.conftest import Urls

TEMPLATE = "template_of_operations"


async def outside(owner: AsyncEngine, statement: str) -> None:
    """Run what no transaction may hold."""
    async with owner.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(sa.text(statement))


def beside(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"


@pytest.fixture(scope="session")
async def template(urls: Urls, owner: AsyncEngine) -> str:
    await outside(owner, f"CREATE DATABASE {TEMPLATE}")
    await migrate.upgrade(beside(urls.owner, TEMPLATE))
    return TEMPLATE


@pytest.fixture
async def url(urls: Urls, owner: AsyncEngine, template: str) -> str:
    """A migrated database without any operation."""
    name = f"t{uuid4().hex}"
    await outside(owner, f"CREATE DATABASE {name} TEMPLATE {template}")
    return beside(urls.owner, name)


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = connect(url, pool_size=1)
    yield engine
    await engine.dispose()


@pytest.fixture
async def now(engine: AsyncEngine) -> datetime:
    async with engine.connect() as connection:
        return (await connection.execute(sa.select(sa.func.now()))).scalar_one()


async def found(url: str, name: str) -> UUID:
    return (await tenants.create_tenant(url, NewTenant(name, f"{uuid4()}@acme.test"))).tenant_id


@pytest.fixture
async def acme(url: str) -> UUID:
    return await found(url, "acme")
