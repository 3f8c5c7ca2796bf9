"""Requests that come more than once."""

import asyncio
import json
from dataclasses import replace
from uuid import uuid4

import pytest

from cks.db.admin import tenants
from cks.db.admin.tenants import Founded
from tests.conftest import Urls
from tests.support.client import CLUSTERS, Answer, Client, order

KEY = {"Idempotency-Key": "a-key"}


async def test_fifty_posts_at_once_with_one_key_are_one_operation(client: Client) -> None:
    wish = order()
    answers = await asyncio.gather(*(client.post(CLUSTERS, wish, KEY) for _ in range(50)))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.body["id"] for answer in answers}) == 1
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert len((await client.get(CLUSTERS)).body["results"]) == 1


async def test_a_repeat_shows_the_operation_as_it_is_now(client: Client) -> None:
    wish = order()
    first = await client.post(CLUSTERS, wish, KEY)
    await client.cancel(first.body)
    again = await client.post(CLUSTERS, wish, KEY)
    assert (again.status, again.body["status"]) == (202, "cancelled")
    assert again.body["id"] == first.body["id"]


async def test_white_space_and_order_of_fields_make_no_other_request(client: Client) -> None:
    wish = order()
    spaced = json.dumps(dict(reversed(wish.items())), indent=3).encode()
    answers = [await client.post(CLUSTERS, body, KEY) for body in (wish, spaced)]
    assert [answer.status for answer in answers] == [202, 202]


async def test_the_same_key_with_another_body_is_refused(client: Client) -> None:
    await client.post(CLUSTERS, order(), KEY)
    answer = await client.post(CLUSTERS, order(), KEY)
    assert (answer.status, answer.code) == (422, "idempotency_key_reused")
    assert len((await client.get(CLUSTERS)).body["results"]) == 1


async def test_a_request_that_was_refused_leaves_its_key_free(client: Client) -> None:
    taken = await client.order()
    refused = await client.post(CLUSTERS, order(name=taken["resource_name"]), KEY)
    invalid = await client.post(CLUSTERS, order(name="No"), KEY)
    assert (refused.status, invalid.status) == (409, 422)
    assert (await client.post(CLUSTERS, order(), KEY)).status == 202


async def test_another_tokens_key_is_another_key(
    client: Client, urls: Urls, founded: Founded
) -> None:
    issued = await tenants.create_token(urls.owner, str(founded.user_id))
    other = replace(client, token=issued.token)
    answers: list[Answer] = [await c.post(CLUSTERS, order(), KEY) for c in (client, other)]
    assert [answer.status for answer in answers] == [202, 202]
    assert answers[0].body["id"] != answers[1].body["id"]


async def test_a_key_belongs_to_one_path(client: Client) -> None:
    first = await client.post(CLUSTERS, order(), KEY)
    cancel = f"/v1/operations/{first.body['id']}:cancel"
    answers = [await client.call("POST", cancel, headers=KEY) for _ in range(2)]
    assert [(a.status, a.body["status"]) for a in answers] == [(202, "cancelled")] * 2


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é", "a\tb"])
async def test_a_bad_key_is_refused(client: Client, key: str) -> None:
    answer = await client.post(CLUSTERS, order(), {"Idempotency-Key": key})
    assert (answer.status, answer.faults) == (422, {"Idempotency-Key": "bad_format"})


async def test_a_long_key_is_a_good_key(client: Client) -> None:
    key = {"Idempotency-Key": "".join(chr(33 + n % 94) for n in range(255))}
    wish = order()
    answers = [await client.post(CLUSTERS, wish, key) for _ in range(2)]
    assert answers[0].body == answers[1].body


async def test_without_a_key_two_posts_are_two_orders(client: Client) -> None:
    ids = {(await client.order(name=f"c{uuid4().hex[:8]}"))["id"] for _ in range(2)}
    assert len(ids) == 2


async def test_a_key_with_a_path_that_names_nothing_is_no_trouble(client: Client) -> None:
    answer = await client.call("DELETE", "/v1/clusters/%00", headers={"Idempotency-Key": "k"})
    assert (answer.status, answer.code) == (404, "not_found")
