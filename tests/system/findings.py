"""What can be found out about an operation without being a part of the service.

The API tells the operation, its events from the first to the last, and the cluster.  The
database tells the owner what no tenant sees, the cloud its ledger, Temporal the open runs.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from aiohttp import ClientSession, ClientTimeout
from temporalio.client import Client as Temporal
from yarl import URL

from cks.providers.simulated.client import OperatorDesk
from cks.providers.simulated.wire import Ledger
from tests.support.client import Client

PATIENCE = ClientTimeout(total=20)
CLOSING_SECONDS = 15
"""How long a run may stay open after its operation was settled."""

CLAIMS = "SELECT count(*) FROM operation_claims WHERE operation_id = $1"
FRACTIONS = "SELECT fraction FROM operation_steps WHERE operation_id = $1"
ACTIONS = """
SELECT action FROM activity_logs
 WHERE resource_id = $1 AND actor_type = 'workflow' AND detail->>'operation_id' = $2
"""
CLUSTERS = "SELECT id FROM clusters"
CLUSTER = "SELECT status, endpoint FROM clusters WHERE id = $1"
POOLS = "SELECT id, status, node_count, ready_count FROM node_pools WHERE cluster_id = $1"
NODES = """
SELECT n.id FROM nodes n JOIN node_pools p ON p.id = n.node_pool_id WHERE p.cluster_id = $1
"""

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pool:
    """A node pool's row."""

    id: UUID
    status: str
    node_count: int
    ready_count: int


@dataclass(frozen=True, slots=True)
class Rows:
    """What the database holds of an operation and of its cluster.

    ``actions`` are the outcomes in the activity log, ``fractions`` how much of each step is
    done.
    """

    claims: int
    actions: Sequence[str]
    fractions: Sequence[float]
    status: str | None
    endpoint: str | None
    pools: Sequence[Pool]
    nodes: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found of one operation; ``events`` are ``(id, what was told)``."""

    operation: Body
    events: Sequence[tuple[int, Body]]
    cluster: Body | None
    rows: Rows
    ledger: Ledger
    open_runs: int

    @property
    def cluster_id(self) -> UUID:
        return UUID(self.operation["resource_id"])


class Finder:
    """Asks everybody; ``exports`` are the variables that ``make dev`` wrote down."""

    def __init__(self, exports: dict[str, str]) -> None:
        self._exports = exports

    async def clusters(self) -> set[UUID]:
        """Return the ids of all clusters of all tenants."""
        connection = await self._connect()
        try:
            return {row["id"] for row in await connection.fetch(CLUSTERS)}
        finally:
            await connection.close()

    async def ledger(self) -> Ledger:
        desk = OperatorDesk(self._exports["CKS_SIMULATOR_URL"])
        try:
            return await desk.ledger()
        finally:
            await desk.close()

    async def find(self, operation_id: str) -> Findings:
        """Return all about an operation; one that has not ended is not followed."""
        url, token = URL(self._exports["CKS_API_URL"]), self._exports["CKS_TOKEN"]
        async with ClientSession(timeout=PATIENCE) as http:
            tenant = Client(http, url, token)
            path = f"/v1/operations/{operation_id}"
            operation = (await tenant.get(path)).body
            assert operation["done"], f"it has not ended: {operation}"
            events = await _replay(tenant, f"{path}/events")
            cluster = await tenant.get(f"/v1/clusters/{operation['resource_id']}")
        return Findings(
            operation,
            events,
            cluster.body if cluster.status == 200 else None,
            await self._rows(operation),
            await self.ledger(),
            await self._open_runs(operation["workflow_id"]),
        )

    async def _rows(self, operation: Body) -> Rows:
        own, cluster = UUID(operation["id"]), UUID(operation["resource_id"])
        connection = await self._connect()
        try:
            row = await connection.fetchrow(CLUSTER, cluster)
            return Rows(
                await connection.fetchval(CLAIMS, own),
                [row["action"] for row in await connection.fetch(ACTIONS, cluster, str(own))],
                [row["fraction"] for row in await connection.fetch(FRACTIONS, own)],
                row and row["status"],
                row and row["endpoint"],
                [Pool(**row) for row in await connection.fetch(POOLS, cluster)],
                frozenset(row["id"] for row in await connection.fetch(NODES, cluster)),
            )
        finally:
            await connection.close()

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self._exports["CKS_DATABASE_URL"], timeout=10)

    async def _open_runs(self, workflow_id: str) -> int:
        """Return how many runs are open; one that settled its operation may just be ending."""
        address, namespace = self._exports["TEMPORAL_ADDRESS"], self._exports["TEMPORAL_NAMESPACE"]
        temporal = await Temporal.connect(address, namespace=namespace)
        query = f"WorkflowId = '{workflow_id}' AND CloseTime IS NULL"
        end = asyncio.get_running_loop().time() + CLOSING_SECONDS
        while asyncio.get_running_loop().time() < end:
            if not (await temporal.count_workflows(query)).count:
                return 0
            await asyncio.sleep(0.1)
        return (await temporal.count_workflows(query)).count


async def _replay(tenant: Client, path: str) -> list[tuple[int, Body]]:
    """Return all that was told of an operation that has ended."""
    async with tenant.stream(path) as stream:
        return [(int(event.id), event.data) for event in await stream.rest()]
