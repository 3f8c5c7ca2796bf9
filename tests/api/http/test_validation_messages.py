"""How a refusal speaks: in plain words, of what a field must be."""

from typing import Any

import pytest

from api.http.validation import together
from api.http.validation_messages import NOT_YET
from cks.domain.refusals import Fault, Invalid, NotAvailableYet
from tests.api.conftest import admin_of_another
from tests.conftest import Urls
from tests.support.client import CLUSTERS, Client, order, pool

POOL = "/node_pools/0"


@pytest.fixture(scope="module")
async def client(stranger: Client, urls: Urls) -> Client:
    """One tenant for all: nothing is accepted here."""
    return await admin_of_another(stranger, urls)


NO_LABEL = (
    "must be at most 63 lowercase letters, digits or hyphens, and start and end with a letter or"
    " digit"
)
FIELDS = (
    "is not a known field; known fields: name, version, networking, tags, node_pools,"
    " deletion_protection, on_failure"
)
WORDS: list[tuple[dict[str, Any], str, str]] = [
    ({"colour": "red"}, "/colour", FIELDS),
    (
        {"networking": {"x": 1}},
        "/networking/x",
        "is not a known field; known fields: pod_cidr, service_cidr",
    ),
    ({"name": "No"}, "/name", NO_LABEL),
    ({"name": 1}, "/name", "must be a string"),
    ({"name": "a" * 64}, "/name", "must have at most 63 characters"),
    ({"version": "new"}, "/version", "must be a version such as 1.35 or 1.35.8"),
    ({"networking": []}, "/networking", "must be an object"),
    ({"tags": 1}, "/tags", "must be an object"),
    ({"tags": {"-": "x"}}, "/tags/-", "its key must be at most 63 letters, digits, hyphens,"),
    ({"tags": {"a": "\n"}}, "/tags/a", "must not contain control characters"),
    ({"node_pools": {}}, "/node_pools", "must be a list"),
    ({"node_pools": []}, "/node_pools", "must have at least 1 entries; it has 0"),
    ({"node_pools": [1]}, POOL, "must be an object"),
    ({"node_pools": [{}]}, f"{POOL}/name", "is missing"),
    ({"node_pools": [pool(node_count="2")]}, f"{POOL}/node_count", "must be a whole number"),
    ({"node_pools": [pool(disk_size=1)]}, f"{POOL}/disk_size", "must be between 10 and 16384"),
    ({"node_pools": [pool(autoscaling=1)]}, f"{POOL}/autoscaling", "must be true or false"),
    (
        {"node_pools": [pool(autoscaling=True)]},
        f"{POOL}/autoscaling",
        "only false is available so far",
    ),
    (
        {"node_pools": [pool(taints=[{"x": 1}])]},
        f"{POOL}/taints/0/x",
        "is not a known field; ",
    ),
    ({"on_failure": "hold"}, "/on_failure", "only rollback is available so far"),
    ({"on_failure": "explode"}, "/on_failure", "must be rollback or hold"),
    ({"maintenance_window": {}}, "/maintenance_window", "is not available yet"),
]


@pytest.mark.parametrize(("wrong", "pointer", "why"), WORDS, ids=range(len(WORDS)))
async def test_a_wrong_field_is_told_in_plain_words_what_it_must_be(
    client: Client, wrong: dict[str, Any], pointer: str, why: str
) -> None:
    answer = await client.post(CLUSTERS, order(**wrong))
    told = {fault["pointer"]: fault["detail"] for fault in answer.body["errors"]}
    assert told[pointer].startswith(why)
    assert "Input" not in answer.body["detail"]
    assert "NewCluster" not in answer.body["detail"]


async def test_a_body_that_is_no_object_is_told_to_be_one(client: Client) -> None:
    (fault,) = (await client.post(CLUSTERS, [])).body["errors"]
    assert fault == {"pointer": "", "code": "wrong_type", "detail": "must be an object"}


async def test_a_parameter_that_is_nowhere_is_told_which_there_are(client: Client) -> None:
    for path, known in ((CLUSTERS, "name, status"), ("/v1/versions", "none")):
        (fault,) = (await client.get(f"{path}?colour=red")).body["errors"]
        assert fault["detail"].startswith("is not a known field; known fields: ")
        assert known in fault["detail"]


async def test_an_old_patch_is_told_the_newest(client: Client) -> None:
    (offered, *_) = (await client.get("/v1/versions")).body["results"]
    asked = f"{offered['minor']}.999"
    (fault,) = (await client.post(CLUSTERS, order(version=asked))).body["errors"]
    newest = f"the latest patch of {offered['minor']} is {offered['latest_patch']}"
    assert newest in fault["detail"]


def test_verdicts_together_name_the_faults_of_all() -> None:
    wrong, later = (
        Fault("/name", "required", "is missing"),
        Fault("?force", NOT_YET, "is for later"),
    )
    both = together(Invalid([wrong]), Invalid([wrong]))
    assert (type(both), both.faults) == (Invalid, (wrong, wrong))
    mixed = together(Invalid([wrong]), NotAvailableYet([later]))
    assert (type(mixed), mixed.faults) == (NotAvailableYet, (wrong, later))
