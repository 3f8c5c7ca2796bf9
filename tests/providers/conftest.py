from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from cks.providers.simulated.client import OperatorDesk, SimulatedCloud
from tests.support.simulator import simulator


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with simulator() as at:
        yield at


@pytest.fixture
async def cloud(url: str) -> AsyncIterator[SimulatedCloud]:
    client = SimulatedCloud(url)
    yield client
    await client.close()


@pytest.fixture
async def desk(url: str) -> AsyncIterator[OperatorDesk]:
    client = OperatorDesk(url)
    yield client
    await client.close()


@pytest.fixture
def cluster_id() -> UUID:
    return uuid4()


@pytest.fixture
def pool_id() -> UUID:
    return uuid4()
