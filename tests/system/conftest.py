"""One stack per module; every test ends with a check of all the operations that it made."""

from collections.abc import AsyncIterator

import pytest

from tests.support.stack import mortals
from tests.system.checker import check
from tests.system.outside import Outside, standing


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Outside]:
    async with standing() as outside:
        yield outside


@pytest.fixture
async def outside(stack: Outside) -> AsyncIterator[Outside]:
    stack.made.clear()
    yield stack
    await check(stack.exports, stack.made)
    assert mortals(stack.folder) <= stack.killed.keys(), "a program died by itself"
