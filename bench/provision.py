"""cluster.create at a cloud without latency, against a bare workflow of as many activities."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import asyncpg
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from api.background.relay import Relay
from bench import contest, ground
from bench.bare import Bare
from bench.bare_worker import QUEUE
from bench.contest import Result
from cks.db.admin import tenants
from cks.db.admin.tenants import Founded, NewTenant
from cks.db.clusters.creation import accept_create
from cks.db.dispatch import Dispatch
from cks.db.operations import operations
from cks.db.session import Database
from cks.domain.access.permissions import Caller
from cks.domain.clusters.creation import CreateCluster, Networking
from cks.domain.clusters.pools import PoolSpec
from cks.domain.operations.deadlines import Allowance
from cks.temporal.engine import Temporal

SAID = "cluster.create, from the accepted row to the running cluster, without latency of the cloud"
AT_ONCE = 20
TENANTS = 20
ROOM = "UPDATE quotas SET maximum = 1000000000"
LIVE = "SELECT count(*) FROM operations WHERE status IN ('pending', 'running')"
FAILED = "SELECT error FROM operations WHERE status NOT IN ('pending', 'running', 'completed')"
ACTIONS = (
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    EventType.EVENT_TYPE_TIMER_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
)
"""What Temporal Cloud bills as an action, as far as our workflows do such things."""


@dataclass(frozen=True, slots=True)
class Site:
    """All that runs, and who orders."""

    database: Database
    relay: Relay
    temporal: Client
    watch: asyncpg.Connection
    callers: Sequence[Caller]

    async def ours(self, seconds: float) -> float:
        """Provision for so long, some at once; return how many clusters a second."""
        return await batches(self._provision, seconds)

    async def floor(self, seconds: float) -> float:
        return await batches(self._bare, seconds)

    async def _provision(self) -> float:
        """Provision some clusters; accepting their orders is no part of it."""
        for caller in self.callers[:AT_ONCE]:
            await self.order(caller, 1)
        began = time.perf_counter()
        await self.until_done()
        return time.perf_counter() - began

    async def order(self, caller: Caller, pools: int) -> UUID:
        asked = CreateCluster(
            name=f"c{uuid4().hex[:12]}",
            version="1.35.8",
            networking=Networking("10.244.0.0/16", "10.96.0.0/16"),
            tags={},
            node_pools=tuple(
                PoolSpec(uuid4(), f"p{n}", 1, 1, 3, "m5.large", 50, {}, ()) for n in range(pools)
            ),
        )
        async with self.database.begin(caller.tenant_id) as session:
            at = await operations.instant(session)
            return (await accept_create(session, caller, asked, Allowance(1, 600), at)).id

    async def until_done(self) -> None:
        """Relay until no operation is left; raise if one failed."""
        await self.relay.relay()
        while await self.watch.fetchval(LIVE):
            await asyncio.sleep(0.02)
        if why := await self.watch.fetchval(FAILED):
            raise RuntimeError(why)

    async def _bare(self) -> float:
        began = time.perf_counter()
        runs = [
            self.temporal.execute_workflow(Bare.run, n, id=f"bare/{uuid4()}", task_queue=QUEUE)
            for n in range(AT_ONCE)
        ]
        await asyncio.gather(*runs)
        return time.perf_counter() - began

    async def history(self, pools: int) -> tuple[int, int]:
        """Return how many events and actions a cluster of so many pools takes."""
        operation = await self.order(self.callers[0], pools)
        await self.until_done()
        handle = self.temporal.get_workflow_handle(f"cluster.create/{operation}")
        events = (await handle.fetch_history()).events
        return len(events), sum(event.event_type in ACTIONS for event in events)


async def batches(batch: Callable[[], Awaitable[float]], seconds: float) -> float:
    """Do batches of so many at once for so long; return how many a second."""
    taken = count = 0.0
    while taken < seconds:
        taken += await batch()
        count += AT_ONCE
    return count / taken


async def run(seconds: float) -> Result:
    async with _site() as site:
        one, actions = await site.history(1)
        three, more = await site.history(3)
        result = await contest.hold(site.ours, site.floor, seconds)
    each = {"events": (three - one) / 2, "actions": (more - actions) / 2}
    params = {"events_per_operation": one, "events_per_further_pool": each["events"]}
    params |= {"actions_per_operation": actions, "actions_per_further_pool": each["actions"]}
    return replace(result, more=params)


@asynccontextmanager
async def _site() -> AsyncIterator[Site]:
    async with (
        ground.database() as urls,
        ground.temporal() as address,
        ground.cloud() as cloud_url,
    ):
        variables = {"TEMPORAL_ADDRESS": address, "CKS_SIMULATOR_URL": cloud_url}
        with (
            ground.process("worker", urls, variables),
            ground.process("bench.bare_worker", urls, variables),
        ):
            client = await Client.connect(address, namespace=ground.NAMESPACE)
            founded = [await _founded(urls.owner) for _ in range(TENANTS)]
            await ground.execute(urls, ROOM)
            watch = await asyncpg.connect(urls.owner)
            database, dispatch = Database(urls.app), Dispatch(urls.dispatch)
            relay = Relay(database, dispatch, Temporal(client, "cks"))
            yield Site(database, relay, client, watch, [_caller(one) for one in founded])
            await watch.close()
            await dispatch.close()
            await database.close()


async def _founded(url: str) -> Founded:
    return await tenants.create_tenant(url, NewTenant("bench", f"{uuid4()}@b.test"))


def _caller(founded: Founded) -> Caller:
    return Caller(founded.tenant_id, founded.user_id, "a@b.test", uuid4(), "bench", "", "")
