"""Plays histories: many at a time, or one of them again."""

import asyncio
from collections.abc import Collection, Sequence

from cks.db.admin.tenants import Founded
from tests.sim.history import History
from tests.sim.stage import Stage


async def play(stage: Stage, seeds: Sequence[int]) -> list[History]:
    """Play the seeds, a few at a time: PostgreSQL works while another one thinks."""
    lanes: asyncio.Queue[Founded] = asyncio.Queue()
    for lane in stage.lanes:
        lanes.put_nowait(lane)

    async def one(seed: int) -> History:
        lane = await lanes.get()
        try:
            return await History(seed, stage, lane).play()
        finally:
            lanes.put_nowait(lane)

    return await asyncio.gather(*map(one, seeds))


async def replay(stage: Stage, seed: int, only: Collection[int]) -> History:
    return await History(seed, stage, stage.lanes[0], only).play()
