"""The floor of ``provision``: ``python -m bench.bare_worker``, as the SDK makes a worker.

It has as many pollers as ours, and as many connections.
"""

import asyncio
import os

import asyncpg
from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, Worker

from bench.bare import Bare, Touching

QUEUE = "bench-bare"


async def main() -> None:
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"], namespace="cks")
    async with asyncpg.create_pool(os.environ["CKS_DATABASE_URL"], max_size=20) as pool:
        worker = Worker(
            client,
            task_queue=QUEUE,
            workflows=[Bare],
            activities=[Touching(pool).touch],
            max_concurrent_activities=200,
            activity_task_poller_behavior=PollerBehaviorAutoscaling(),
            workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        )
        await worker.run()


if __name__ == "__main__":
    asyncio.run(main())
