"""Ordering clusters, and seeing them."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.db.models.tenants import Quota
from tests.api.conftest import admin_of_another
from tests.conftest import Urls
from tests.support.client import CLUSTERS, Client, order, pool
from tests.support.story import Stories


async def limit(owner: AsyncEngine, tenant: UUID, quota: str, maximum: int) -> None:
    mine = sa.update(Quota).where(Quota.tenant_id == tenant, Quota.quota == quota)
    async with owner.begin() as connection:
        await connection.execute(mine.values(maximum=maximum))


async def test_an_order_is_accepted_and_tells_where_to_follow_it(client: Client) -> None:
    answer = await client.post(CLUSTERS, order(name="prod"))
    assert answer.status == 202
    assert answer.headers["Location"] == f"/v1/operations/{answer.body['id']}"
    assert int(answer.headers["Retry-After"]) > 0
    assert (await client.get(answer.headers["Location"])).body == answer.body


async def test_its_operation_is_pending_with_every_step_to_come(client: Client) -> None:
    told = await client.order(name="prod", node_pools=[pool("a"), pool("b")])
    assert (told["type"], told["status"], told["done"]) == ("cluster.create", "pending", False)
    assert (told["progress"], told["phase"], told["started_at"]) == (0, "waiting", None)
    assert (told["resource_type"], told["resource_name"]) == ("cluster", "prod")
    assert told["resource_id"] == told["cluster_id"]
    names = ["network", "control_plane", "node_pool:a", "node_pool:b", "add_ons", "verify"]
    assert [step["name"] for step in told["steps"]] == names
    assert {step["status"] for step in told["steps"]} == {"pending"}
    assert told["cancel"]["possible"]
    assert told["request"]["name"] == "prod"
    assert told["created_by"]["email"].endswith("@acme.test")


async def test_the_cluster_is_visible_at_once_by_its_id_and_its_name(client: Client) -> None:
    operation = await client.order(name="prod", tags={"team": "blue"})
    by_id = await client.get(f"{CLUSTERS}/{operation['resource_id']}")
    by_name = await client.get(f"{CLUSTERS}/name:prod")
    assert by_id.status == 200
    assert by_id.body == by_name.body
    assert (by_id.body["status"], by_id.body["tags"]) == ("pending", {"team": "blue"})
    assert by_id.body["current_operation_id"] == operation["id"]
    assert by_id.body["networking"] == {
        "pod_cidr": "10.244.0.0/16",
        "service_cidr": "10.96.0.0/16",
    }
    assert (by_id.body["generation"], by_id.body["observed_generation"]) == (1, 0)


async def test_a_minor_means_its_newest_patch(client: Client) -> None:
    offered = [v for v in (await client.get("/v1/versions")).body["results"] if v["orderable"]]
    for number, minor in enumerate(offered):
        operation = await client.order(name=f"v{number}", version=minor["minor"])
        cluster = (await client.get(f"{CLUSTERS}/{operation['resource_id']}")).body
        assert cluster["version"] == minor["latest_patch"]
        assert cluster["node_pools"][0]["version"] == minor["latest_patch"]


async def test_whoever_names_no_version_gets_the_default(client: Client) -> None:
    wish = order()
    del wish["version"]
    operation = (await client.post(CLUSTERS, wish)).body
    offered = (await client.get("/v1/versions")).body["results"]
    (default,) = [v["latest_patch"] for v in offered if v["default"]]
    assert operation["request"]["version"] == default


async def test_a_name_is_given_once(client: Client) -> None:
    await client.order(name="prod")
    answer = await client.post(CLUSTERS, order(name="prod"))
    assert (answer.status, answer.code) == (409, "name_taken")
    assert len((await client.get(CLUSTERS)).body["results"]) == 1


async def test_a_name_is_given_once_also_to_many_who_ask_together(client: Client) -> None:
    answers = await asyncio.gather(*(client.post(CLUSTERS, order(name="prod")) for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [202] + [409] * 9
    assert {answer.code for answer in answers if answer.status == 409} == {"name_taken"}


async def test_a_name_is_free_in_another_tenant(client: Client, urls: Urls) -> None:
    other = await admin_of_another(client, urls)
    ids = {(await one.order(name="prod"))["resource_id"] for one in (client, other)}
    assert {(await one.get(f"{CLUSTERS}/name:prod")).body["id"] for one in (client, other)} == ids


async def test_what_is_over_quota_is_refused_with_its_figures(
    client: Client, owner: AsyncEngine, tenant: UUID
) -> None:
    await limit(owner, tenant, "nodes", 5)
    await client.order(node_pools=[pool(node_count=3)])
    answer = await client.post(CLUSTERS, order(node_pools=[pool(node_count=3)]))
    assert (answer.status, answer.code) == (409, "quota_exceeded")
    told = {name: answer.body[name] for name in ("quota", "limit", "used", "requested")}
    assert told == {"quota": "nodes", "limit": 5, "used": 3, "requested": 3}


async def test_thirty_orders_at_once_never_exceed_the_quota(
    client: Client, owner: AsyncEngine, tenant: UUID
) -> None:
    await limit(owner, tenant, "clusters", 7)
    answers = await asyncio.gather(*(client.post(CLUSTERS, order()) for _ in range(30)))
    assert sorted(answer.status for answer in answers) == [202] * 7 + [409] * 23
    assert {a.code for a in answers if a.status == 409} == {"quota_exceeded"}
    assert len((await client.get(CLUSTERS)).body["results"]) == 7


async def test_a_failed_cluster_counts_for_nothing(
    client: Client, owner: AsyncEngine, tenant: UUID, stories: Stories
) -> None:
    await limit(owner, tenant, "clusters", 1)
    await stories.of(await client.order()).fail()
    assert (await client.post(CLUSTERS, order())).status == 202


async def test_the_etag_changes_with_the_cluster_and_with_nothing_else(
    client: Client, stories: Stories
) -> None:
    operation = await client.order()
    path = f"{CLUSTERS}/{operation['resource_id']}"
    first, again = await client.get(path), await client.get(path)
    assert first.headers["ETag"] == again.headers["ETag"] == first.body["etag"]
    await stories.of(operation).complete()
    later = await client.get(path)
    assert later.body["status"] == "running"
    assert later.headers["ETag"] != first.headers["ETag"]


async def test_a_running_cluster_is_ready_and_nothing_holds_it(
    client: Client, stories: Stories
) -> None:
    operation = await client.order()
    await stories.of(operation).complete()
    cluster = (await client.get(f"{CLUSTERS}/{operation['resource_id']}")).body
    ready: Any = {c["type"]: c for c in cluster["conditions"]}["Ready"]
    assert (ready["status"], ready["observed_generation"]) == ("True", 1)
    assert (cluster["current_operation_id"], cluster["observed_generation"]) == (None, 1)


async def test_a_clusters_node_pools_are_seen_by_id_and_by_name(client: Client) -> None:
    taints = [{"key": "gpu", "value": "", "effect": "NoSchedule"}]
    asked = pool("gpu", labels={"disk": "ssd"}, taints=taints)
    operation = await client.order(name="prod", node_pools=[pool("a"), asked])
    path = f"{CLUSTERS}/{operation['resource_id']}/node-pools"
    pools = (await client.get(path)).body["results"]
    assert [found["name"] for found in pools] == ["gpu", "a"]
    assert pools[0].items() >= asked.items()
    by_id = await client.get(f"{path}/{pools[0]['id']}")
    by_name = await client.get(f"{CLUSTERS}/name:prod/node-pools/name:gpu")
    assert by_id.body == by_name.body == pools[0]
    assert by_id.headers["ETag"] == pools[0]["etag"]


async def test_a_pool_is_found_in_its_own_cluster_alone(client: Client) -> None:
    one, other = await client.order(), await client.order()
    (pool_id,) = (p["id"] for p in one["request"]["node_pools"])
    answer = await client.get(f"{CLUSTERS}/{other['resource_id']}/node-pools/{pool_id}")
    assert (answer.status, answer.code) == (404, "not_found")


async def test_whoever_gives_a_bare_name_is_told_how_a_name_is_written(client: Client) -> None:
    cluster = (await client.order())["resource_id"]
    for path in (f"{CLUSTERS}/first", f"{CLUSTERS}/{cluster}/node-pools/first"):
        answer = await client.get(path)
        assert (answer.status, answer.code) == (404, "not_found")
        assert "name:first" in answer.body["detail"]
    for wrong in ("First", "a%00", uuid4()):
        assert "name:" not in (await client.get(f"{CLUSTERS}/{wrong}")).body["detail"]


async def test_what_is_no_id_and_no_name_is_not_found(client: Client) -> None:
    for wrong in ("x", "name:", "name:A", "name:a%00", "%00", "name:%ff", f"{uuid4()}x", "name:a/"):
        assert (await client.get(f"{CLUSTERS}/{wrong}")).status == 404, wrong
