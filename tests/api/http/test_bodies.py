"""Bodies that cannot be read, and those whose text hides a trap."""

import gzip
import json
from collections.abc import AsyncIterator

import pytest

from tests.api.conftest import admin_of_another
from tests.conftest import Urls
from tests.support.client import CLUSTERS, Client, order, pool

WHOLE = json.dumps(order()).encode()


@pytest.fixture(scope="module")
async def client(stranger: Client, urls: Urls) -> Client:
    """One tenant for all: little is accepted here."""
    return await admin_of_another(stranger, urls)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"not json",
        b'{"name": "a"} x',
        b"\xff\xfe{}",
        b'{"name": "\xe9"}',
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": -Infinity}',
        b'{"name": "\\ud800"}',
        b'{"\\udfff": 1}',
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"name": ' + b"1" * 5_000 + b"}",
        b"\xef\xbb\xbf" + WHOLE,
    ],
    ids=range(15),
)
async def test_what_is_no_json_in_utf_8_is_malformed(client: Client, raw: bytes) -> None:
    answer = await client.post(CLUSTERS, raw)
    assert (answer.status, answer.code) == (400, "malformed_body")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "The body is missing: this request takes a JSON object."),
        (b" \n", "The body is missing: this request takes a JSON object."),
        (b'{"name": "\xe9"}', "The body is not valid UTF-8 at byte 11."),
        (b'{"name": "\\ud800"}', "The body contains an unpaired surrogate."),
        (b'{\n "name": x}', "The body is not valid JSON at line 2, column 10."),
        (b'{"name": NaN}', "The body is not JSON: NaN is not a JSON number."),
        (b"[" * 100_000, "The body is nested too deeply."),
        (b"1" * 5_000, "The body contains a number with too many digits."),
    ],
    ids=range(8),
)
async def test_a_malformed_body_is_told_why_and_where(client: Client, raw: bytes, why: str) -> None:
    assert (await client.post(CLUSTERS, raw)).body["detail"] == why


async def test_whoever_sends_nothing_is_told_that_it_is_missing(client: Client) -> None:
    answer = await client.post(CLUSTERS)
    assert (answer.status, answer.code) == (400, "malformed_body")
    assert "missing" in answer.body["detail"]


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (b'{"name": "a", "version": "1.35", "name": "a"}', '"name"'),
        (b'{"tags": {"k": "1", "\\u006b": "1"}}', '"k"'),
        (b'{"\\udfff": 1, "\\udfff": 1}', r'"\udfff"'),
        (b'{"\\u0000": 1, "\\u0000": 1}', r'"\u0000"'),
    ],
    ids=range(4),
)
async def test_a_key_that_is_there_twice_is_malformed(client: Client, raw: bytes, key: str) -> None:
    answer = await client.post(CLUSTERS, raw)
    assert (answer.status, answer.code) == (400, "malformed_body")
    assert answer.body["detail"] == f"The key {key} appears more than once in one object."


async def test_a_key_may_be_there_twice_in_two_objects(client: Client) -> None:
    pools = [pool("a", labels={"k": "1"}), pool("b", labels={"k": "1"})]
    assert (await client.post(CLUSTERS, order(node_pools=pools))).status == 202


@pytest.mark.parametrize("body", [[], 3, "x", None, True, [order()]])
async def test_a_body_that_is_no_object_is_of_the_wrong_type(client: Client, body: object) -> None:
    answer = await client.post(CLUSTERS, body)
    assert (answer.status, answer.faults) == (422, {"": "wrong_type"})


@pytest.mark.parametrize("name", ["a\0", "\0"])
async def test_the_character_zero_is_refused_wherever_it_stands(client: Client, name: str) -> None:
    for body in (order(name=name), order(tags={"k": name}), order() | {name: 1}):
        answer = await client.post(CLUSTERS, body)
        assert (answer.status, answer.code) == (422, "invalid")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (order(name="a\0"), "/name"),
        (order(tags={"x": "1", "a/b": "\0"}), "/tags/a~1b"),
        (order(tags={"\0": "x"}), "/tags"),
        (order(node_pools=[pool("a"), pool("\0")]), "/node_pools/1/name"),
        ("\0", ""),
    ],
)
async def test_it_is_told_where_the_character_zero_stands(
    client: Client, body: object, pointer: str
) -> None:
    assert (await client.post(CLUSTERS, body)).faults == {pointer: "bad_character"}


async def test_text_that_only_spells_an_escape_is_just_text(client: Client) -> None:
    spelled = r"a \u0000 in a \ud800 manual"
    operation = await client.order(tags={"note": spelled})
    cluster = await client.get(f"{CLUSTERS}/{operation['resource_id']}")
    assert cluster.body["tags"] == {"note": spelled}


async def test_ten_megabytes_are_too_large(client: Client) -> None:
    answer = await client.post(CLUSTERS, b'"' + b"x" * 10_000_000 + b'"')
    assert (answer.status, answer.code) == (413, "body_too_large")


async def test_they_are_too_large_also_when_nobody_said_how_many(client: Client) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b"x" * 65_536

    async with client.http.post(
        f"{client.url}{CLUSTERS}",
        data=pieces(),
        headers={"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"},
    ) as response:
        assert response.status == 413
        assert (await response.json(content_type=None))["code"] == "body_too_large"


async def test_a_body_of_exactly_one_mebibyte_is_read(client: Client) -> None:
    assert (await client.post(CLUSTERS, WHOLE + b" " * ((1 << 20) - len(WHOLE)))).status == 202


async def test_a_small_body_that_unpacks_to_a_large_one_is_too_large(client: Client) -> None:
    packed = gzip.compress(b" " * 50_000_000)
    answer = await client.post(CLUSTERS, packed, {"Content-Encoding": "gzip"})
    assert (answer.status, answer.code) == (413, "body_too_large")


async def test_a_packed_body_that_cannot_be_unpacked_is_malformed(client: Client) -> None:
    answer = await client.post(CLUSTERS, b"no gzip", {"Content-Encoding": "gzip"})
    assert answer.status == 400


@pytest.mark.parametrize(
    "said", ["text/plain", "application/xml", "application/merge-patch+json", "", "json", ";"]
)
async def test_a_body_announced_as_something_else_is_refused(client: Client, said: str) -> None:
    answer = await client.post(CLUSTERS, WHOLE, {"Content-Type": said})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


async def test_a_charset_beside_the_content_type_does_no_harm(client: Client) -> None:
    said = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert (await client.post(CLUSTERS, order(), said)).status == 202


async def test_a_call_without_a_body_takes_an_empty_object_and_nothing_else(
    client: Client,
) -> None:
    cancel = f"/v1/operations/{(await client.order())['id']}:cancel"
    assert (await client.post(cancel, {"now": True})).status == 422
    assert (await client.post(cancel, b"{")).status == 400
    assert (await client.post(cancel, {})).status == 202


async def test_a_stranger_learns_nothing_about_their_body(stranger: Client) -> None:
    for body in (b"{", b"x" * 2_000_000, b"{}"):
        assert (await stranger.post(CLUSTERS, body)).status == 401
