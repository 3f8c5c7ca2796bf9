"""POST a cluster, against a bare handler of two inserts."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from uuid import uuid4

from bench import contest, ground, load
from bench.contest import Result
from bench.load import CONNECTIONS, Target
from bench.orders import posts
from cks.db.admin import tenants
from cks.db.admin.tenants import NewTenant

SAID = "POST /v1/clusters: all that an accepted order writes"
TENANTS = 64
ROOM = "UPDATE quotas SET maximum = 1000000000"


async def run(seconds: float) -> Result:
    """Let several tenants order at once: one alone would queue behind its own quota."""
    async with (
        ground.database() as urls,
        ground.serving("bench.ours", urls) as port,
        ground.serving("bench.floor", urls) as floor_port,
    ):
        founded = [
            await tenants.create_tenant(urls.owner, NewTenant(f"b{n}", f"{uuid4()}@b.test"))
            for n in range(TENANTS)
        ]
        await ground.execute(urls, ROOM)
        ours = by_turns("/v1/clusters", "ours", [one.token for one in founded])
        floor = by_turns("/clusters", "floor", [str(one.tenant_id) for one in founded])
        return await contest.hold(
            lambda turn: load.press(Target(port, 202), ours, turn),
            lambda turn: load.press(Target(floor_port, 202), floor, turn),
            seconds,
        )


def by_turns(path: str, name: str, tokens: Sequence[str]) -> list[Iterator[bytes]]:
    """Return the orders of each connection: of some of the tenants, one after the other."""
    return [
        in_turn([posts(path, token, f"{name}{line}") for token in tokens[line::CONNECTIONS]])
        for line in range(CONNECTIONS)
    ]


def in_turn(orders: Sequence[Iterator[bytes]]) -> Iterator[bytes]:
    """Yield one of each, again and again."""
    for tenant in cycle(orders):
        yield next(tenant)
