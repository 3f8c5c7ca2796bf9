"""The examples of the reference are what the API says, and what its description allows."""

import re
from dataclasses import asdict
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator, oas31_format_checker

from api.reference import examples
from api.routes import ENDPOINTS
from tests.support.client import Client
from tests.support.examples import examples_of
from tests.support.scenes import lifetime, refusals
from tests.support.story import Stories

STORED = examples.load()
NOT_SHOWN = {500, 503}
"""What no client brings about."""


@pytest.fixture(scope="module")
async def described(stranger: Client) -> Any:
    return (await stranger.get("/openapi.json")).body


def shape(told: Any) -> Any:
    """Return what is the same each time: names and kinds, not values."""
    match told:
        case dict():
            return {name: shape(value) for name, value in told.items()}
        case list():
            return [shape(one) for one in told]
    return type(told).__name__


async def test_played_again_the_scenes_show_the_same(
    client: Client, stranger: Client, viewer: Client, stories: Stories
) -> None:
    scenes = await lifetime(client, viewer, stories)
    played = examples_of(scenes, await refusals(client, stranger, viewer))
    assert shape(asdict(played)) == shape(asdict(STORED)), "run `make examples`"
    assert played.requests == STORED.requests
    assert {n: p["code"] for n, p in played.problems.items()} == {
        n: p["code"] for n, p in STORED.problems.items()
    }


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_operation_shows_what_it_takes_and_answers(described: Any, endpoint: Any) -> None:
    told = described["paths"][endpoint.path][endpoint.method.lower()]
    if endpoint.body is not None:
        for media in told["requestBody"]["content"].values():
            valid(described, media)
    for status, answer in told["responses"].items():
        (media,) = answer["content"].values()
        if int(status) not in NOT_SHOWN:
            valid(described, media)


def valid(described: Any, media: Any) -> None:
    schema = {**media["schema"], "components": described["components"]}
    validator = OAS31Validator(schema, format_checker=oas31_format_checker)
    validator.validate(media["example"])


def test_they_name_nobody_and_hold_no_token() -> None:
    text = examples.FILE.read_text(encoding="utf-8")
    assert not re.search(r"cks_\w", text)
    assert ".test" not in text
    assert text.count("@") == text.count("ada@acme.example") > 0
