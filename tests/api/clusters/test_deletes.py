"""Deleting a failed cluster, which holds nothing."""

import asyncio

import pytest

from tests.support.client import CLUSTERS, Client
from tests.support.story import Stories


@pytest.fixture
async def failed(client: Client, stories: Stories) -> str:
    """The path of a failed cluster named ``prod``."""
    operation = await client.order(name="prod")
    await stories.of(operation).fail()
    return f"{CLUSTERS}/{operation['resource_id']}"


async def test_a_failed_cluster_is_gone_at_once_and_its_name_is_free(
    client: Client, failed: str
) -> None:
    answer = await client.call("DELETE", failed)
    assert answer.status == 202
    assert (answer.body["type"], answer.body["status"]) == ("cluster.delete", "completed")
    assert (answer.body["done"], answer.body["progress"]) == (True, 100)
    assert (await client.get(failed)).status == 404
    assert (await client.get(answer.headers["Location"])).body == answer.body
    assert (await client.order(name="prod"))["status"] == "pending"


async def test_a_cluster_is_deleted_by_its_name_too(client: Client, failed: str) -> None:
    assert (await client.call("DELETE", f"{CLUSTERS}/name:prod")).status == 202
    assert (await client.get(failed)).status == 404


async def test_what_is_deleted_is_not_found_any_more(client: Client, failed: str) -> None:
    await client.call("DELETE", failed)
    assert (await client.call("DELETE", failed)).status == 404


async def test_many_deletes_at_once_are_one(client: Client, failed: str) -> None:
    answers = await asyncio.gather(*(client.call("DELETE", failed) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [202] + [404] * 4


async def test_a_delete_repeated_under_its_key_is_the_same(client: Client, failed: str) -> None:
    key = {"Idempotency-Key": "once"}
    first = await client.call("DELETE", failed, headers=key)
    again = await client.call("DELETE", failed, headers=key)
    assert (first.status, again.status) == (202, 202)
    assert first.body == again.body


async def test_another_state_than_the_one_named_is_not_deleted(client: Client, failed: str) -> None:
    answer = await client.call("DELETE", failed, headers={"If-Match": '"another"'})
    assert (answer.status, answer.code) == (412, "precondition_failed")
    cluster = await client.get(failed)
    assert cluster.status == 200
    now = {"If-Match": cluster.headers["ETag"]}
    assert (await client.call("DELETE", failed, headers=now)).status == 202


async def test_any_state_will_do_for_a_star(client: Client, failed: str) -> None:
    assert (await client.call("DELETE", failed, headers={"If-Match": "*"})).status == 202


async def test_while_its_operation_lives_the_delete_conflicts_with_it(
    client: Client, stories: Stories
) -> None:
    operation = await client.order()
    for _ in range(2):
        answer = await client.call("DELETE", f"{CLUSTERS}/{operation['resource_id']}")
        assert (answer.status, answer.code) == (409, "operation_conflict")
        assert answer.body["conflicting_operation_id"] == operation["id"]
        assert answer.body["conflicting_operation_type"] == "cluster.create"
        await stories.of(operation).advance()


async def test_a_running_cluster_cannot_be_deleted_yet(client: Client, stories: Stories) -> None:
    operation = await client.order()
    await stories.of(operation).complete()
    path = f"{CLUSTERS}/{operation['resource_id']}"
    answer = await client.call("DELETE", path)
    assert (answer.status, answer.code) == (501, "not_available_yet")
    assert (await client.get(path)).body["current_operation_id"] is None
