"""A tenant, as the API serves them: orders, cancels, deletes, and asks twice when unsure."""

import asyncio
import random
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from uuid import UUID, uuid4

from cks.db.admin.tenants import Founded
from cks.db.operations import operations
from cks.domain.operations.lifecycle import LIVE
from cks.domain.operations.steps import orphans_among
from tests.sim.gates import Broken
from tests.sim.stage import Stage
from tests.support.client import CLUSTERS, Answer, Client, order, pool

ACCEPTED, TAKEN = 202, 409
POOLS = ((1,), (1,), (2,), (1, 1), (2, 1), (1, 1, 1))
MANY_POOLS = (1,) * 6


@dataclass(frozen=True, slots=True)
class Order:
    """A cluster that a tenant wants, and the key that makes asking twice harmless."""

    name: str
    sizes: tuple[int, ...]
    key: str

    method: ClassVar = "POST"
    path: ClassVar = CLUSTERS

    @property
    def body(self) -> dict[str, Any]:
        sized = [pool(f"p{n}", node_count=size, max_nodes=9) for n, size in enumerate(self.sizes)]
        return order(name=self.name, node_pools=sized)

    @property
    def words(self) -> str:
        """Say what is wanted, as in every history of the seed."""
        return f"with pools of {self.sizes}"


@dataclass(frozen=True, slots=True)
class Update:
    """Other labels and taints of a pool, and the key that makes asking twice harmless."""

    cluster_id: UUID
    pool: str
    key: str

    method: ClassVar = "PATCH"
    body: ClassVar[dict[str, Any]] = {
        "labels": {"disk": None, "tier": "web"},
        "taints": [{"key": "gpu", "value": "no", "effect": "NoExecute"}],
        "max_nodes": 12,
    }

    @property
    def path(self) -> str:
        return f"{CLUSTERS}/{self.cluster_id}/node-pools/name:{self.pool}"

    @property
    def words(self) -> str:
        return f"of the pool {self.pool}"


Wanted = Order | Update


def some_order(rng: random.Random) -> Order:
    """Return an order of some size; now and then, of more pools than are made at once."""
    sizes = rng.choice(POOLS) if rng.random() < 0.98 else MANY_POOLS
    return Order(f"c{uuid4().hex[:12]}", sizes, uuid4().hex)


@dataclass(frozen=True, slots=True)
class Tenant:
    stage: Stage
    founded: Founded

    @property
    def client(self) -> Client:
        return replace(self.stage.stranger, token=self.founded.token)

    async def ask(self, wanted: Wanted, times: int = 1) -> Any:
        """Ask, if need be several times at once; return the one operation it became."""
        answers = await asyncio.gather(*(self._send(wanted) for _ in range(times)))
        if any(answer.status != ACCEPTED for answer in answers):
            raise Broken(f"a request was refused: {[answer.body for answer in answers]}")
        if len({answer.body["id"] for answer in answers}) > 1:
            raise Broken("one request became two operations")
        return answers[0].body

    async def ask_in_vain(self, wanted: Wanted) -> None:
        """Ask, and the API dies before it can commit."""
        with self.stage.database.dooming(self.founded.tenant_id):
            await self._send(wanted)

    async def cancel(self, operation_id: UUID) -> bool:
        """Ask for the end of an operation; say whether it was not too late."""
        answer = await self.client.post(f"/v1/operations/{operation_id}:cancel")
        return answer.status == ACCEPTED

    async def delete(self, cluster_id: UUID) -> bool:
        """Delete a failed cluster; say whether it is gone."""
        answer = await self.client.call("DELETE", f"{CLUSTERS}/{cluster_id}")
        if answer.status not in (ACCEPTED, 404, TAKEN, 501):
            raise Broken(f"a delete was answered {answer.status}: {answer.body}")
        return answer.status == ACCEPTED

    async def is_live(self, operation_id: UUID) -> bool:
        async with self.stage.database.begin(self.founded.tenant_id) as session:
            return (await operations.read(session, operation_id)).status in LIVE

    async def is_over(self, operation_id: UUID) -> bool:
        """Say whether an operation has ended, and nothing of it is left."""
        async with self.stage.database.begin(self.founded.tenant_id) as session:
            found = await operations.read(session, operation_id)
            return found.status not in LIVE and not orphans_among(found.steps)

    async def _send(self, wanted: Wanted) -> Answer:
        key = {"Idempotency-Key": wanted.key}
        return await self.client.call(wanted.method, wanted.path, wanted.body, key)
