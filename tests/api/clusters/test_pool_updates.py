"""Changing a living node pool: what is asked, what is refused, what is so in the end."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.client import CLUSTERS, Answer, Client, pool
from tests.support.people import People
from tests.support.story import Stories

TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
POOLS = [
    pool("web", labels={"tier": "web", "disk": "ssd"}, taints=[TAINT], node_count=2),
    pool("batch"),
]


@pytest.fixture
async def cluster(client: Client, stories: Stories) -> str:
    """The path of a running cluster with the pools ``web`` and ``batch``."""
    operation = await client.order(node_pools=POOLS)
    await stories.of(operation).complete()
    return f"{CLUSTERS}/{operation['resource_id']}"


@pytest.fixture
def web(cluster: str) -> str:
    return f"{cluster}/node-pools/name:web"


async def change(client: Client, path: str, body: Any, **headers: str) -> Answer:
    return await client.call("PATCH", path, body, headers)


async def test_what_is_named_changes_and_the_rest_stays(
    client: Client, stories: Stories, web: str
) -> None:
    before = (await client.get(web)).body
    body = {"labels": {"disk": None, "team": "one"}, "max_nodes": 9}
    answer = await change(client, web, body)
    assert answer.status == 202
    assert answer.headers["Location"] == f"/v1/operations/{answer.body['id']}"
    said = answer.body
    assert (said["type"], said["resource_type"]) == ("node_pool.update", "node_pool")
    assert (said["resource_id"], said["status"]) == (before["id"], "pending")
    assert said["request"]["labels"] == {"team": "one", "tier": "web"}
    assert said["cancel"]["effect"] == "rolls_back"
    meanwhile = (await client.get(web)).body
    assert (meanwhile["labels"], meanwhile["max_nodes"]) == (before["labels"], 3)
    assert meanwhile["generation"] == before["generation"] + 1
    assert meanwhile["observed_generation"] == before["generation"]

    await stories.of(said).complete()
    after = (await client.get(web)).body
    assert after["labels"] == {"team": "one", "tier": "web"}
    assert (after["taints"], after["min_nodes"], after["max_nodes"]) == ([TAINT], 1, 9)
    assert after["observed_generation"] == after["generation"] == before["generation"] + 1
    assert after["etag"] != before["etag"]
    assert [one["reason"] for one in after["conditions"]] == ["Updated"]


async def test_taints_are_replaced_as_a_whole(client: Client, stories: Stories, web: str) -> None:
    new = {"key": "spot", "value": "", "effect": "NoExecute"}
    answer = await change(client, web, {"taints": [{"key": "spot", "effect": "NoExecute"}]})
    await stories.of(answer.body).complete()
    assert (await client.get(web)).body["taints"] == [new]
    answer = await change(client, web, {"taints": []})
    await stories.of(answer.body).complete()
    assert (await client.get(web)).body["taints"] == []


@pytest.mark.parametrize(
    "body", [{}, {"labels": {"tier": "web"}}, {"max_nodes": 3, "min_nodes": 1}]
)
async def test_what_is_so_already_is_complete_at_once(
    client: Client, web: str, body: dict[str, Any]
) -> None:
    before = (await client.get(web)).body
    answer = await change(client, web, body)
    assert answer.status == 202
    said = answer.body
    assert (said["status"], said["progress"], said["steps"]) == ("completed", 100, [])
    assert (await client.get(web)).body == before


async def test_a_failure_leaves_the_pool_as_it_was(
    client: Client, stories: Stories, web: str
) -> None:
    answer = await change(client, web, {"labels": {"team": "one"}})
    await stories.of(answer.body).fail("update:web")
    after = (await client.get(web)).body
    assert after["status"] == "running"
    assert after["labels"] == {"disk": "ssd", "tier": "web"}
    assert after["observed_generation"] < after["generation"]
    (condition,) = after["conditions"]
    assert (condition["status"], condition["reason"]) == ("Unknown", "RestoreIncomplete")
    cluster = web.partition("/node-pools")[0]
    assert (await client.get(cluster)).body["status"] == "running"

    again = (await change(client, web, {})).body
    assert [step["name"] for step in again["steps"]] == ["update:web"]
    await stories.of(again).complete()
    (condition,) = (await client.get(web)).body["conditions"]
    assert (condition["status"], condition["reason"]) == ("True", "Updated")
    assert (await change(client, web, {})).body["steps"] == []


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"min_nodes": 4}, {"/max_nodes": "out_of_range"}),
        ({"max_nodes": 1}, {"/node_count": "out_of_range"}),
        ({"min_nodes": -1}, {"/min_nodes": "out_of_range"}),
        ({"min_nodes": None}, {"/min_nodes": "wrong_type"}),
        ({"node_count": 3}, {"/node_count": "unknown_field"}),
        ({"autoscaling": True}, {"/autoscaling": "not_available_yet"}),
        ({"max_surge": 1}, {"/max_surge": "not_available_yet"}),
        ({"labels": {"-": "x"}}, {"/labels/-": "bad_format"}),
        ({"labels": {f"l{n}": "" for n in range(50)}}, {"/labels": "bad_length"}),
        ({"taints": [TAINT, {**TAINT, "value": "no"}]}, {"/taints": "duplicate_taint"}),
    ],
)
async def test_what_is_wrong_is_named_and_changes_nothing(
    client: Client, web: str, body: dict[str, Any], faults: dict[str, str]
) -> None:
    before = (await client.get(web)).body
    answer = await change(client, web, body)
    assert (answer.status, answer.faults) == (422, faults)
    assert (await client.get(web)).body == before


async def test_another_state_than_the_one_named_is_not_changed(client: Client, web: str) -> None:
    answer = await change(client, web, {"max_nodes": 9}, **{"If-Match": '"another"'})
    assert (answer.status, answer.code) == (412, "precondition_failed")
    now = (await client.get(web)).headers["ETag"]
    assert (await change(client, web, {"max_nodes": 9}, **{"If-Match": now})).status == 202


async def test_a_pool_is_changed_by_one_at_a_time_and_others_side_by_side(
    client: Client, cluster: str, web: str
) -> None:
    first = await change(client, web, {"max_nodes": 9})
    second = await change(client, web, {"max_nodes": 8})
    assert (second.status, second.code) == (409, "operation_conflict")
    assert second.body["conflicting_operation_id"] == first.body["id"]
    assert second.body["conflicting_operation_type"] == "node_pool.update"
    assert second.body["estimated_completion_at"]
    assert (
        await change(client, f"{cluster}/node-pools/name:batch", {"max_nodes": 9})
    ).status == 202


async def test_of_many_at_once_one_is_accepted(client: Client, web: str) -> None:
    answers = await asyncio.gather(*(change(client, web, {"max_nodes": 4 + n}) for n in range(6)))
    assert sorted(answer.status for answer in answers) == [202] + [409] * 5


async def test_while_the_cluster_is_made_the_making_is_in_the_way(client: Client) -> None:
    operation = await client.order(node_pools=POOLS)
    path = f"{CLUSTERS}/{operation['resource_id']}/node-pools/name:web"
    answer = await change(client, path, {"max_nodes": 9})
    assert (answer.status, answer.code) == (409, "operation_conflict")
    assert answer.body["conflicting_operation_id"] == operation["id"]


async def test_nothing_of_a_failed_cluster_is_changed(client: Client, stories: Stories) -> None:
    operation = await client.order(node_pools=POOLS)
    await stories.of(operation).fail()
    path = f"{CLUSTERS}/{operation['resource_id']}/node-pools/name:web"
    answer = await change(client, path, {"max_nodes": 9})
    assert (answer.status, answer.code) == (409, "not_running")
    assert (await client.get("/v1/operations?type=node_pool.update")).body["results"] == []


async def test_a_pool_that_is_not_there_is_not_found(client: Client, cluster: str) -> None:
    for place in (f"{cluster}/node-pools/name:none", f"{CLUSTERS}/name:none/node-pools/name:web"):
        assert (await change(client, place, {"max_nodes": 9})).status == 404


async def test_a_repeat_under_its_key_is_the_same_operation(client: Client, web: str) -> None:
    key = {"Idempotency-Key": "once"}
    first = await change(client, web, {"max_nodes": 9}, **key)
    again = await change(client, web, {"max_nodes": 9}, **key)
    assert (first.status, again.status) == (202, 202)
    assert first.body == again.body


async def test_who_only_reads_changes_nothing(viewer: Client, web: str) -> None:
    answer = await change(viewer, web, {"max_nodes": 9})
    assert (answer.status, answer.body["missing"]) == (403, ["node_pools.update"])


async def test_a_developer_of_one_cluster_changes_its_pools(
    people: People, client: Client, cluster: str, web: str
) -> None:
    joined = await people.join("viewer")
    grant = {"role": "developer", "cluster_id": cluster.rpartition("/")[2]}
    assert (await client.post(f"/v1/users/{joined.id}/roles", grant)).status == 201
    assert (await change(joined.client, web, {"max_nodes": 9})).status == 202


async def test_a_pool_that_changes_just_before_it_is_claimed_is_looked_at_again(
    client: Client, owner: AsyncEngine, web: str
) -> None:
    """Who holds the cluster's row lets the request claim the pool, and only then read it again."""
    found = (await client.get(web)).body
    ids = {"cluster": UUID(found["cluster_id"]), "pool": UUID(found["id"])}
    async with owner.connect() as connection:
        await connection.execute(
            sa.text("SELECT FROM clusters WHERE id = :cluster FOR UPDATE"), ids
        )
        asked = asyncio.create_task(change(client, web, {"labels": {"team": "one"}}))
        await asyncio.sleep(0.3)
        await connection.execute(
            sa.text('UPDATE node_pools SET labels = \'{"new": "1"}\' WHERE id = :pool'), ids
        )
        await connection.commit()
    answer = await asked
    assert answer.status == 202
    assert answer.body["request"]["pool"]["labels"] == {"new": "1"}
    assert answer.body["request"]["labels"] == {"new": "1", "team": "one"}
