from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from cks.db.tenants import Founded
from tests.conftest import Urls
from tests.providers.simulator import simulator
from tests.workflows.site import Site, site


@pytest.fixture(scope="session")
async def cloud_url() -> AsyncIterator[str]:
    async with simulator(speed=2000) as url:
        yield url


@pytest.fixture
async def ours(
    urls: Urls, temporal: Client, founded: Founded, cloud_url: str
) -> AsyncIterator[Site]:
    async with site(urls, temporal, founded, cloud_url) as opened:
        yield opened
