"""Who gets in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.db.admin import tenants
from cks.db.admin.connection import NotDone
from cks.db.admin.tenants import Founded, Joined
from cks.db.models.users import User, UserToken
from cks.domain.people.tokens import digest_of, mint
from tests.conftest import Urls
from tests.support.client import CLUSTERS, Answer, Client, order
from tests.support.people import People, Person, pages

YESTERDAY = datetime.now(UTC) - timedelta(days=1)


async def is_refused(client: Client) -> bool:
    """Neither a read nor a change is let in, and both are told how to come in."""
    answers = (await client.get(CLUSTERS), await client.post(CLUSTERS, order()))
    told = {(a.status, a.code, a.headers["WWW-Authenticate"]) for a in answers}
    return told == {(401, "unauthenticated", "Bearer")}


def spoiled(token: str) -> list[str]:
    last = "1" if token[-1] == "0" else "0"
    return [
        "",
        "x",
        "cks_",
        token[:-1],
        token[:-1] + last,
        token + "0",
        token.upper(),
        token[:30] + token[30:][::-1],
        "cks_" + "z" * 60,
        "cks_" + "é" * 60,
        token * 3,
    ]


async def test_what_is_no_token_of_ours_is_refused(client: Client) -> None:
    for token in spoiled(client.token or ""):
        assert await is_refused(replace(client, token=token)), token


@pytest.mark.parametrize("said", ["", "Bearer", "Basic YTpi", "Token {}", "{}", "Bearer: {}"])
async def test_it_is_said_as_a_bearer_token(client: Client, stranger: Client, said: str) -> None:
    answer = await stranger.get(CLUSTERS, Authorization=said.format(client.token))
    assert answer.status == 401


async def test_the_word_bearer_may_be_written_as_one_likes(
    client: Client, stranger: Client
) -> None:
    answer = await stranger.get(CLUSTERS, Authorization=f"bEARER {client.token}")
    assert answer.status == 200


async def test_a_token_that_nobody_was_given_is_refused(client: Client, founded: Founded) -> None:
    assert await is_refused(replace(client, token=mint(founded.tenant_id, 1)))


async def test_a_token_in_the_query_is_no_token(client: Client, stranger: Client) -> None:
    assert (await stranger.get(f"{CLUSTERS}?access_token={client.token}")).status == 401


async def change(owner: AsyncEngine, token: str | None, **values: Any) -> None:
    mine = sa.update(UserToken).where(UserToken.token == digest_of(token or ""))
    async with owner.begin() as connection:
        await connection.execute(mine.values(**values))


async def test_a_token_is_good_until_it_expires(client: Client, owner: AsyncEngine) -> None:
    await change(owner, client.token, expires_at=YESTERDAY + timedelta(days=2))
    assert (await client.get(CLUSTERS)).status == 200
    await change(owner, client.token, expires_at=YESTERDAY)
    assert await is_refused(client)


async def test_a_revoked_token_is_refused_at_once(client: Client, owner: AsyncEngine) -> None:
    await change(owner, client.token, revoked_at=datetime.now(UTC))
    assert await is_refused(client)


@pytest.fixture
async def developer(urls: Urls, founded: Founded) -> Joined:
    address = f"{founded.user_id}@dev.test"
    return await tenants.create_user(urls.owner, str(founded.tenant_id), address, "developer")


async def test_a_developer_orders_clusters(client: Client, developer: Joined) -> None:
    assert (await replace(client, token=developer.token).post(CLUSTERS, order())).status == 202


@pytest.mark.parametrize("status", ["suspended", "pending"])
async def test_the_tokens_of_a_user_who_is_not_active_are_refused(
    client: Client, owner: AsyncEngine, developer: Joined, status: str
) -> None:
    async with owner.begin() as connection:
        them = sa.update(User).where(User.id == developer.user_id)
        await connection.execute(them.values(status=status))
    assert await is_refused(replace(client, token=developer.token))
    assert (await client.get(CLUSTERS)).status == 200


async def test_a_tokens_last_use_is_written_down(client: Client, owner: AsyncEngine) -> None:
    used = sa.select(UserToken.last_used).where(UserToken.token == digest_of(client.token or ""))
    async with owner.connect() as connection:
        assert await connection.scalar(used) is None
    await client.get(CLUSTERS)
    async with owner.connect() as connection:
        at = await connection.scalar(used)
    assert at is not None
    assert at > YESTERDAY + timedelta(days=1)


async def answers(client: Client, **headers: str) -> list[Answer]:
    return [
        await client.get("/v1/versions", **headers),
        await client.get("/v1/nothing", **headers),
        await client.call("PUT", CLUSTERS, headers=headers),
        await client.post(CLUSTERS, b"{", headers),
        await replace(client, token=None).get(CLUSTERS, **headers),
    ]


async def test_a_requests_id_is_echoed_in_every_answer(client: Client) -> None:
    for given in ("a", "A-1_b.c", "x" * 64):
        for answer in await answers(client, **{"X-Request-Id": given}):
            assert answer.headers["X-Request-Id"] == given
            assert answer.body.get("request_id", given) == given


async def test_a_request_without_a_good_id_gets_one(client: Client) -> None:
    for given in ("", "x" * 65, "a b", "é", "a/b"):
        made = [a.headers["X-Request-Id"] for a in await answers(client, **{"X-Request-Id": given})]
        assert len(set(made)) == len(made)
        assert all(one and one != given and len(one) <= 64 for one in made)


async def test_a_narrowed_token_opens_what_it_lists_and_nothing_else(
    client: Client, urls: Urls, people: People
) -> None:
    person = await people.join("developer")
    issued = await tenants.create_token(
        urls.owner, person.id, "ci", ["clusters.create", "catalogue.read"]
    )
    narrow = Person(person.id, replace(client, token=issued.token))
    before = await person.client.order()
    operation = await narrow.client.order()
    refused = await narrow.client.get("/v1/clusters")
    assert (refused.status, refused.body["missing"]) == (403, ["clusters.read"])
    assert "The token does not include it" in refused.body["detail"]
    assert (await narrow.client.get(f"/v1/clusters/{operation['cluster_id']}")).status == 404
    assert (await narrow.client.get(f"/v1/operations/{operation['id']}")).status == 200
    assert (await narrow.client.get(f"/v1/operations/{before['id']}")).status == 404
    assert [o["id"] async for o in pages(narrow.client, "/v1/operations")] == [operation["id"]]
    found = await narrow.may("clusters.read")
    assert (found["allowed"], found["code"]) == (False, "narrowed_by_token")
    assert (await person.may("clusters.read"))["allowed"]
    (held,) = [h async for h in pages(narrow.client, "/v1/me/permissions")]
    assert held["permissions"] == ["catalogue.read", "clusters.create"]


async def test_a_token_is_narrowed_to_permissions_that_there_are(
    urls: Urls, founded: Founded
) -> None:
    with pytest.raises(NotDone, match=r"Unknown permissions: clusters\.own"):
        await tenants.create_token(urls.owner, str(founded.user_id), None, ["clusters.own"])
