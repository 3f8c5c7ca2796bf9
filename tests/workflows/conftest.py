from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from cks.db.admin.tenants import Founded
from tests.conftest import Urls
from tests.support.simulator import simulator
from tests.support.site import Crew, Site, crew, opened


@pytest.fixture(scope="session")
async def cloud_url() -> AsyncIterator[str]:
    async with simulator(speed=2000) as url:
        yield url


@pytest.fixture(scope="session")
async def usual(urls: Urls, temporal: Client, cloud_url: str) -> AsyncIterator[Crew]:
    """The crew of all tests that need nothing special of it: a worker takes long to build."""
    async with crew(urls, temporal, cloud_url) as hands:
        yield hands


@pytest.fixture(scope="session")
async def brisk(urls: Urls, temporal: Client, cloud_url: str) -> AsyncIterator[Crew]:
    """A crew that soon gives up a call which hangs."""
    async with crew(urls, temporal, cloud_url, provider_timeout_seconds=0.5) as hands:
        yield hands


@pytest.fixture
async def ours(
    usual: Crew, urls: Urls, temporal: Client, founded: Founded, cloud_url: str
) -> AsyncIterator[Site]:
    async with opened(usual, urls, temporal, founded, cloud_url) as site:
        yield site
