"""The reference page comes from ourselves alone, small and kept for as long as it is so."""

import gzip
import hashlib
import re
from pathlib import Path

import aiohttp
import pytest

from api.reference.page import FILES, FOLDER
from tests.support.client import Client


async def get(stranger: Client, path: str, **headers: str) -> tuple[aiohttp.ClientResponse, bytes]:
    """Return the answer with its body as it was sent."""
    async with (
        aiohttp.ClientSession(auto_decompress=False) as http,
        http.get(f"{stranger.url}{path}", headers=headers) as answer,
    ):
        return answer, await answer.read()


@pytest.fixture
async def page(stranger: Client) -> str:
    answer, body = await get(stranger, "/reference")
    assert (answer.status, answer.content_type) == (200, "text/html")
    return gzip.decompress(body).decode()


async def test_the_page_names_our_files_and_nobody_elses(stranger: Client, page: str) -> None:
    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {Path(path).name for path in named} == {*FILES, "openapi.json"}
    for path in named:
        answer, _ = await get(stranger, path)
        assert answer.status == 200


async def test_its_policy_lets_it_load_nothing_from_elsewhere(stranger: Client) -> None:
    answer, _ = await get(stranger, "/reference")
    policy = dict(
        part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self' http://127.0.0.1:8080"
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_files_are_kept_for_ever_and_the_page_is_asked_for_each_time(
    stranger: Client, page: str
) -> None:
    (bundle,) = re.findall(r'src="([^"]+bundle.js)"', page)
    answer, body = await get(stranger, bundle, **{"Accept-Encoding": "gzip"})
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(body) < 600_000
    plain, whole = await get(stranger, bundle, **{"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(body) == whole

    asked, _ = await get(stranger, "/reference")
    assert asked.headers["Cache-Control"] == "no-cache"
    again, nothing = await get(stranger, "/reference", **{"If-None-Match": asked.headers["ETag"]})
    assert (again.status, nothing) == (304, b"")
    other, _ = await get(stranger, "/reference", **{"If-None-Match": '"other"'})
    assert other.status == 200


def test_what_is_vendored_is_what_the_package_had() -> None:
    folder = FOLDER / "vendored"
    sums = [line.split() for line in (folder / "SHA256SUMS").read_text().splitlines()]
    assert {name for _, name in sums} | {"SHA256SUMS"} == {path.name for path in folder.iterdir()}
    for digest, name in sums:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
