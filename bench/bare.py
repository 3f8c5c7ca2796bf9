"""The floor of ``provision``: ``python -m bench.bare``, a worker for a workflow of six activities.

As many activities as a cluster of one pool takes, each of one UPDATE over a bare asyncpg pool:
no step is noted, nobody is asked who owns what, no cloud is called, nothing is told, and there
is no sandbox.
"""

import asyncio
import os
from datetime import timedelta

import asyncpg
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, UnsandboxedWorkflowRunner, Worker

QUEUE = "bench-bare"
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


async def main() -> None:
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"], namespace="cks")
    async with asyncpg.create_pool(os.environ["CKS_DATABASE_URL"], max_size=20) as pool:
        worker = Worker(
            client,
            task_queue=QUEUE,
            workflows=[Bare],
            activities=[Touching(pool).touch],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_concurrent_activities=200,
            activity_task_poller_behavior=PollerBehaviorAutoscaling(),
            workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        )
        await worker.run()


if __name__ == "__main__":
    asyncio.run(main())
