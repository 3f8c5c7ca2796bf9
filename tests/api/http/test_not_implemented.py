"""Routes of the contract that this version does not have."""

import pytest

from api.not_implemented import OPEN, reserved
from tests.support.client import Client

ROUTES = [(method, path) for _, method, path in reserved()]
ID = "0197f0f0-0000-7000-8000-000000000000"


def filled(path: str) -> str:
    return "/".join(
        part.replace(part[part.find("{") : part.find("}") + 1], ID) if "{" in part else part
        for part in path.split("/")
    )


async def test_each_answers_that_it_is_not_available_yet(client: Client) -> None:
    for method, path in ROUTES:
        answer = await client.call(method, filled(path))
        assert (answer.status, answer.code) == (501, "not_available_yet"), (method, path)


async def test_each_asks_for_a_token_first(stranger: Client) -> None:
    for method, path in ROUTES:
        assert (await stranger.call(method, filled(path))).status == 401, (method, path)


async def test_none_is_in_the_reference(stranger: Client) -> None:
    described = (await stranger.get("/openapi.json")).body["paths"]
    assert not [(m, p) for m, p in ROUTES if m.lower() in described.get(p, {})]


@pytest.mark.parametrize("token", ["", "cks_garbage"])
async def test_a_bad_token_is_refused_there_too(stranger: Client, token: str) -> None:
    answer = await stranger.get("/v1/me", Authorization=f"Bearer {token}")
    assert answer.status == 401


@pytest.mark.parametrize("path", OPEN)
async def test_what_comes_before_a_token_asks_for_none(stranger: Client, path: str) -> None:
    answer = await stranger.get(path)
    assert (answer.status, answer.code) == (501, "not_available_yet")
