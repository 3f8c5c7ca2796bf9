"""GET one operation, against a bare handler that reads the same row."""

import json
from itertools import repeat
from uuid import uuid4

import aiohttp

from bench import contest, ground, load
from bench.contest import Result
from bench.load import CONNECTIONS, Target
from bench.orders import a_cluster
from cks.db.admin import tenants
from cks.db.admin.tenants import NewTenant

SAID = "GET /v1/operations/{id}: token, permission, row security"


async def run(seconds: float) -> Result:
    async with (
        ground.database() as urls,
        ground.serving("bench.ours", urls) as port,
        ground.serving("bench.floor", urls) as floor_port,
    ):
        founded = await tenants.create_tenant(urls.owner, NewTenant("bench", f"{uuid4()}@b.test"))
        operation = await _accepted(port, founded.token)
        ours = load.request("GET", f"/v1/operations/{operation}", founded.token)
        floor = load.request("GET", f"/operations/{operation}")
        return await contest.hold(
            lambda turn: load.press(Target(port, 200), [repeat(ours)] * CONNECTIONS, turn),
            lambda turn: load.press(Target(floor_port, 200), [repeat(floor)] * CONNECTIONS, turn),
            seconds,
        )


async def _accepted(port: int, token: str) -> str:
    """Order a cluster, and return its operation's id."""
    bearer = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=bearer) as session,
        session.post(f"http://127.0.0.1:{port}/v1/clusters", json=a_cluster("read")) as answer,
    ):
        return str(json.loads(await answer.text())["id"])
