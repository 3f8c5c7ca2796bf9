"""Every operation called once, and every refusal: what the examples of the reference show."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.support.client import Answer, Client
from tests.support.story import Stories

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


async def lifetime(client: Client, viewer: Client, stories: Stories) -> dict[str, Scene]:
    """Call every operation once, along the life of two clusters; return each by its id.

    ``viewer`` is another user of the tenant, and a viewer again in the end.
    """
    created = await client.post("/v1/clusters", CLUSTER)
    running = stories.of(created.body)
    await running.advance()
    await running.complete()
    failed = (await client.post("/v1/clusters", ANOTHER)).body
    one, lost = created.body["resource_id"], failed["id"]
    cluster = await client.get(f"/v1/clusters/{one}")
    pool = cluster.body["node_pools"][0]["id"]
    change = {"labels": {"disk": None, "tier": "web"}, "max_nodes": 8}
    updated = await client.call("PATCH", f"/v1/clusters/{one}/node-pools/{pool}", change)
    await stories.of(updated.body).complete()
    told = {
        "update_node_pool": sent(updated, change),
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
    told |= await people(client, (await viewer.get("/v1/me")).body["id"], one)
    told["follow_operation"] = await first_event(client, f"/v1/operations/{lost}/events")
    told["follow_events"] = await first_event(client, "/v1/events", "1-1")
    return {name: _short(scene) for name, scene in told.items()}


async def people(client: Client, user: str, cluster: str) -> dict[str, Scene]:
    """Give a user a role at a cluster, and take it away; make a role, and delete it."""
    grants = f"/v1/users/{user}/roles"
    other, check = {"role": "developer"}, {"permission": "clusters.delete", "user_id": user}
    wish = {"role": "developer", "cluster_id": cluster, "expires_at": "2030-01-31T09:30:00Z"}
    named = {"name": "auditor", "permissions": ["clusters.read", "operations.read"]}
    more = {"permissions": ["clusters.read", "node_pools.read", "operations.read"]}
    given = await client.post(grants, wish)
    made = await client.post("/v1/roles", named)
    grant, role = f"{grants}/{given.body['id']}", f"/v1/roles/{made.body['id']}"
    told = {
        "get_me": sent(await client.get("/v1/me")),
        "list_my_permissions": sent(await client.get("/v1/me/permissions")),
        "list_users": sent(await client.get("/v1/users")),
        "get_user": sent(await client.get(f"/v1/users/{user}")),
        "create_grant": sent(given, wish),
        "list_grants": sent(await client.get(grants)),
        "check_access": sent(
            await client.post("/v1/access:check", check | {"cluster_id": cluster}),
            check | {"cluster_id": cluster},
        ),
        "delete_grant": sent(await client.call("DELETE", grant)),
        "update_user": sent(await client.call("PATCH", f"/v1/users/{user}", other), other),
        "list_permissions": sent(await client.get("/v1/permissions")),
        "list_roles": sent(await client.get("/v1/roles")),
        "create_role": sent(made, named),
        "get_role": sent(await client.get(role)),
        "update_role": sent(await client.call("PATCH", role, more), more),
        "delete_role": sent(await client.call("DELETE", role)),
    }
    await client.call("PATCH", f"/v1/users/{user}", {"role": "viewer"})
    return told


def sent(answer: Answer, request: Any = None) -> Scene:
    return Scene(request, answer.status, answer.body)


def _short(scene: Scene) -> Scene:
    if isinstance(scene.answer, dict) and "results" in scene.answer:
        return replace(scene, answer={**scene.answer, "results": scene.answer["results"][:SHOWN]})
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
