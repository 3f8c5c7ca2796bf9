"""The workflow of ``provision``'s floor: as many activities as a cluster of one pool takes.

Each does one UPDATE over a bare asyncpg pool: no step is noted, nobody is asked who owns what,
no cloud is called, and nothing is told.
"""

from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    import asyncpg

ACTIVITIES = 6
TOUCH = (
    "UPDATE tenants SET updated_at = now() WHERE id = (SELECT id FROM tenants OFFSET $1 LIMIT 1)"
)


class Touching:
    """One UPDATE."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @activity.defn
    async def touch(self, number: int) -> None:
        await self._pool.execute(TOUCH, number)


@workflow.defn
class Bare:
    """Its activities, one after the other."""

    @workflow.run
    async def run(self, number: int) -> None:
        for _ in range(ACTIVITIES):
            await workflow.execute_activity_method(
                Touching.touch, number, start_to_close_timeout=timedelta(seconds=20)
            )
