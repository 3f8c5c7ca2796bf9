"""Every operation called once, and every refusal: what the examples of the reference show."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.api.client import Answer, Client
from tests.api.story import Stories

POOL: dict[str, Any] = {
    "name": "default",
    "node_count": 2,
    "min_nodes": 1,
    "max_nodes": 5,
    "instance_type": "m5.large",
    "disk_size": 50,
    "labels": {"disk": "ssd"},
    "taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}],
}
CLUSTER: dict[str, Any] = {
    "name": "production",
    "version": "1.35",
    "node_pools": [POOL],
    "tags": {"team": "payments"},
}
ANOTHER = CLUSTER | {"name": "staging"}
SHOWN = 2
"""Of a list, so many are enough."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What an operation was sent (``None``: nothing) and what came back."""

    request: Any
    status: int
    answer: Any


async def lifetime(client: Client, stories: Stories) -> dict[str, Scene]:
    """Call every operation once, along the life of two clusters; return each by its id."""
    created = await client.post("/v1/clusters", CLUSTER)
    running = stories.of(created.body)
    await running.advance()
    await running.complete()
    failed = (await client.post("/v1/clusters", ANOTHER)).body
    one, lost = created.body["resource_id"], failed["id"]
    cluster = await client.get(f"/v1/clusters/{one}")
    pool = cluster.body["node_pools"][0]["id"]
    told = {
        "create_cluster": sent(created, CLUSTER),
        "get_cluster": sent(cluster),
        "list_clusters": sent(await client.get("/v1/clusters")),
        "list_node_pools": sent(await client.get(f"/v1/clusters/{one}/node-pools")),
        "get_node_pool": sent(await client.get(f"/v1/clusters/{one}/node-pools/{pool}")),
        "list_operations": sent(await client.get("/v1/operations")),
        "cancel_operation": sent(await client.cancel(failed)),
        "get_operation": sent(await client.get(f"/v1/operations/{lost}")),
        "delete_cluster": sent(
            await client.call("DELETE", f"/v1/clusters/{failed['resource_id']}")
        ),
        "list_versions": sent(await client.get("/v1/versions")),
        "list_instance_types": sent(await client.get("/v1/instance-types")),
        "estimate_cost": sent(await client.post("/v1/billing:estimate", CLUSTER), CLUSTER),
        "get_tenant": sent(await client.get("/v1/tenant")),
    }
    change = {"timezone": "Europe/Berlin", "billing_cycle": "month"}
    told["update_tenant"] = sent(await client.call("PATCH", "/v1/tenant", change), change)
    told["follow_operation"] = await first_event(client, f"/v1/operations/{lost}/events")
    told["follow_events"] = await first_event(client, "/v1/events", "1-1")
    return {name: _short(scene) for name, scene in told.items()}


def sent(answer: Answer, request: Any = None) -> Scene:
    return Scene(request, answer.status, answer.body)


def _short(scene: Scene) -> Scene:
    if isinstance(scene.answer, dict) and "items" in scene.answer:
        return replace(scene, answer={**scene.answer, "items": scene.answer["items"][:SHOWN]})
    return scene


async def first_event(client: Client, path: str, last_id: str | None = None) -> Scene:
    async with client.stream(path, last_id) as stream:
        event = await stream.next()
        assert event
        return Scene(None, stream.response.status, event.data)


async def refusals(client: Client, stranger: Client, viewer: Client) -> dict[int, Any]:
    """Be refused with every status that a client can bring about; return the problems."""
    taken = CLUSTER | {"name": "taken"}
    ordered = (await client.post("/v1/clusters", taken)).body
    place = f"/v1/clusters/{ordered['resource_id']}"
    nowhere = "/v1/clusters/01980000-0000-7000-8000-000000000000"
    answers = [
        await client.post("/v1/clusters", b"{"),
        await stranger.get("/v1/clusters"),
        await viewer.post("/v1/clusters", CLUSTER),
        await client.get(nowhere),
        await client.post("/v1/clusters", taken),
        await client.call("DELETE", place, headers={"If-Match": '"another"'}),
        await client.post("/v1/clusters", b" " * (1 << 20) + b" "),
        await client.post("/v1/clusters", b"{}", {"Content-Type": "text/plain"}),
        await client.post("/v1/clusters", {"name": "Not a name", "node_pools": [POOL]}),
        await client.post(f"{place}:upgrade", {"version": "1.36"}),
    ]
    return dict(_by_status(answers))


def _by_status(answers: list[Answer]) -> Iterator[tuple[int, Any]]:
    for answer in answers:
        assert answer.status >= 400, answer.body
        yield answer.status, answer.body
