"""Lists: their filters and their pages."""

import base64
import json
from typing import Any

import pytest

from tests.support.client import CLUSTERS, Client
from tests.support.story import Stories

TWICE_AND_MORE = {
    "?tag": "bad_character",
    "?name": "repeated_parameter",
    "?version": "bad_format",
}


async def names(client: Client, query: str) -> list[str]:
    answer = await client.get(f"{CLUSTERS}?{query}")
    assert answer.status == 200, answer.body
    return sorted(cluster["name"] for cluster in answer.body["results"])


@pytest.fixture
async def fleet(client: Client, stories: Stories) -> Client:
    """A tenant with three clusters: one running, one failed, one pending."""
    old = await client.order(name="old", version="1.35", tags={"team": "blue", "tier": "1"})
    new = await client.order(name="new", version="1.36", tags={"team": "red"})
    await client.order(name="bare", version="1.36")
    await stories.of(old).complete()
    await stories.of(new).fail()
    return client


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["bare", "new", "old"]),
        ("name=old", ["old"]),
        ("name=ol", []),
        ("status=running", ["old"]),
        ("status=running&status=failed", ["new", "old"]),
        ("version=1.36", ["bare", "new"]),
        ("version=1.3", []),
        ("tag=team", ["new", "old"]),
        ("tag=team=blue", ["old"]),
        ("tag=team=blue&tag=tier=1", ["old"]),
        ("tag=team=blue&tag=tier=2", []),
        ("tag=team%3Dred&status=failed", ["new"]),
        ("name=%25", []),
        ("name='", []),
        ("tag=%27%22%5C", []),
    ],
)
async def test_filters_find_what_fits_them_all(fleet: Client, query: str, found: list[str]) -> None:
    assert await names(fleet, query) == found


async def test_a_patch_filters_as_well_as_its_minor(fleet: Client) -> None:
    patch = (await fleet.get(f"{CLUSTERS}/name:old")).body["version"]
    assert await names(fleet, f"version={patch}") == ["old"]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("status=sleeping", {"?status": "unknown_value"}),
        ("version=x", {"?version": "bad_format"}),
        ("colour=red", {"?colour": "unknown_field"}),
        ("page_size=0", {"?page_size": "out_of_range"}),
        ("page_size=501", {"?page_size": "out_of_range"}),
        ("name=%00", {"?name": "bad_character"}),
        ("name=a&name=b", {"?name": "repeated_parameter"}),
        ("page_size=1&page_size=1", {"?page_size": "repeated_parameter"}),
        ("colour=a&colour=b", {"?colour": "unknown_field"}),
        ("tag=%00&name=a&name=b&version=x", TWICE_AND_MORE),
    ],
)
async def test_a_wrong_filter_is_refused(client: Client, query: str, told: dict[str, str]) -> None:
    answer = await client.get(f"{CLUSTERS}?{query}")
    assert (answer.status, answer.faults) == (422, told)


@pytest.mark.parametrize("size", ["x", "", "1e3", "-1", "9" * 400])
async def test_a_page_size_is_a_number(client: Client, size: str) -> None:
    answer = await client.get(f"{CLUSTERS}?page_size={size}")
    assert (answer.status, list(answer.faults)) == (422, ["?page_size"])


async def test_text_that_is_no_utf_8_finds_nothing(client: Client) -> None:
    for text in ("%ff", "%ed%a0%80", "%c3"):
        assert (await client.get(f"{CLUSTERS}?name={text}")).status in (200, 422)


async def pages(client: Client, path: str) -> list[list[str]]:
    """Walk through a list, and order one more cluster after every page."""
    found: list[list[str]] = []
    mark = "?" if "?" not in path else "&"
    token: Any = ""
    while token is not None:
        answer = await client.get(f"{path}{mark}page_size=2" + (token and f"&page_token={token}"))
        found.append([row["id"] for row in answer.body["results"]])
        token = answer.body["next_page_token"]
        await client.order()
    return found


@pytest.mark.parametrize("path", [CLUSTERS, "/v1/operations", f"{CLUSTERS}?status=pending"])
async def test_pages_are_stable_while_rows_are_inserted(client: Client, path: str) -> None:
    for _ in range(5):
        await client.order()
    before = [row["id"] for row in (await client.get(path)).body["results"]]
    found = await pages(client, path)
    assert [len(page) for page in found] == [2, 2, 1]
    assert [one for page in found for one in page] == before


async def test_the_newest_comes_first(client: Client) -> None:
    made = [(await client.order())["resource_id"] for _ in range(3)]
    listed = [row["id"] for row in (await client.get(CLUSTERS)).body["results"]]
    assert listed == made[::-1]


async def test_a_page_that_is_just_full_is_the_last(client: Client) -> None:
    await client.order()
    assert (await client.get(f"{CLUSTERS}?page_size=1")).body["next_page_token"] is None


async def token_from(client: Client, path: str) -> str:
    for _ in range(2):
        await client.order()
    return str((await client.get(path)).body["next_page_token"])


FOREIGN = {"?page_token": "invalid_page_token"}


async def refused(client: Client, path: str) -> dict[str, str]:
    answer = await client.get(path)
    assert answer.status == 422
    return answer.faults


async def test_a_page_token_of_another_list_is_refused(client: Client) -> None:
    token = await token_from(client, f"{CLUSTERS}?page_size=1")
    assert await refused(client, f"/v1/operations?page_token={token}") == FOREIGN
    cluster = (await client.get(CLUSTERS)).body["results"][0]["id"]
    assert await refused(client, f"{CLUSTERS}/{cluster}/node-pools?page_token={token}") == FOREIGN


async def test_a_page_token_with_other_filters_is_refused(client: Client) -> None:
    token = await token_from(client, f"{CLUSTERS}?page_size=1&status=pending")
    assert await refused(client, f"{CLUSTERS}?page_token={token}") == FOREIGN
    assert await refused(client, f"{CLUSTERS}?status=failed&page_token={token}") == FOREIGN
    same = await client.get(f"{CLUSTERS}?status=pending&page_size=7&page_token={token}")
    assert len(same.body["results"]) == 1


@pytest.mark.parametrize(
    "told",
    [b"", b"x", b"\xff", b"[]", b"5", b"null", b"{}", b'{"of": "x", "after": "y"}', b"[" * 300],
)
async def test_a_page_token_that_is_none_is_refused(client: Client, told: bytes) -> None:
    assert (
        await refused(client, f"{CLUSTERS}?page_token={base64.urlsafe_b64encode(told).decode()}")
        == FOREIGN
    )


@pytest.mark.parametrize("after", [5, None, [], {}, "", "x" * 36])
async def test_a_page_token_with_another_place_in_it_is_refused(
    client: Client, after: object
) -> None:
    token = await token_from(client, f"{CLUSTERS}?page_size=1")
    told = json.loads(base64.urlsafe_b64decode(f"{token}=="))
    forged = base64.urlsafe_b64encode(json.dumps({**told, "after": after}).encode()).decode()
    assert await refused(client, f"{CLUSTERS}?page_token={forged.rstrip('=')}") == FOREIGN


async def test_a_page_token_in_foreign_letters_is_refused(client: Client) -> None:
    assert await refused(client, f"{CLUSTERS}?page_token=%c3%a9%e2%82%ac") == FOREIGN


async def test_node_pools_are_filtered_and_paged_too(client: Client) -> None:
    pools = [
        {"name": n, "node_count": 1, "min_nodes": 1, "max_nodes": 1, "instance_type": "m5.large"}
        | {"disk_size": 20}
        for n in ("a", "b", "c")
    ]
    operation = await client.order(node_pools=pools)
    path = f"{CLUSTERS}/{operation['resource_id']}/node-pools"
    first = (await client.get(f"{path}?page_size=2")).body
    rest = (await client.get(f"{path}?page_token={first['next_page_token']}")).body
    assert [p["name"] for p in first["results"] + rest["results"]] == ["c", "b", "a"]
    assert [p["name"] for p in (await client.get(f"{path}?name=b")).body["results"]] == ["b"]
    assert (await client.get(f"{path}?status=running")).body["results"] == []
