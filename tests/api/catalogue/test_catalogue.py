"""What can be ordered, until when, for how much."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from cks import catalogue
from cks.db.admin import tenants
from cks.db.admin.tenants import NewTenant
from cks.db.catalogue.cache import FRESH_SECONDS, CatalogueCache
from cks.db.models.activity import ActivityLog
from cks.db.session import Database
from cks.domain.clusters.versions import support_of
from tests.conftest import Urls
from tests.support.client import Client, order, pool

ESTIMATE = "/v1/billing:estimate"


async def of_euros(stranger: Client, urls: Urls) -> Client:
    wish = NewTenant("euro", f"{uuid4()}@euro.test", currency="EUR")
    return replace(stranger, token=(await tenants.create_tenant(urls.owner, wish)).token)


async def test_versions_show_until_when_they_are_supported(client: Client) -> None:
    body = (await client.get("/v1/versions")).body
    now, files = datetime.now(UTC), catalogue.load().minors
    assert [v["minor"] for v in body["results"]] == [minor.minor for minor in files]
    for told, minor in zip(body["results"], files, strict=True):
        assert told["support"] == support_of(minor, now)
        assert told["extended_until"] == str(minor.extended_until)
        assert told["dates_estimated"] is minor.dates_estimated
    assert [v["default"] for v in body["results"]].count(True) == 1
    assert body["control_plane_price"] == {"hourly": "0.10", "currency": "USD"}


async def test_instance_types_show_their_size_and_price(client: Client) -> None:
    body = (await client.get("/v1/instance-types")).body
    types = {kind["name"]: kind for kind in body["results"]}
    assert list(types) == [kind.name for kind in catalogue.load().instance_types]
    assert types["m5.large"] == {
        "name": "m5.large",
        "vcpus": 2,
        "memory_gib": 8,
        "architecture": "amd64",
        "orderable": True,
        "price": {"hourly": "0.096", "currency": "USD"},
    }
    assert body["disk_price"] == {"hourly": "0.000109589", "currency": "USD"}


async def test_a_currency_without_prices_shows_none(stranger: Client, urls: Urls) -> None:
    client = await of_euros(stranger, urls)
    kinds = (await client.get("/v1/instance-types")).body
    assert {kind["price"] for kind in kinds["results"]} == {None}
    assert kinds["disk_price"] is None
    made = await client.order()
    cluster = (await client.get(f"/v1/clusters/{made['resource_id']}")).body
    assert cluster["cost"] is None
    refused = await client.post(ESTIMATE, order())
    assert (refused.status, refused.code) == (409, "no_price")
    assert (refused.body["sku"], refused.body["currency"]) == ("control_plane", "EUR")


async def test_an_estimate_names_each_part_and_adds_up(client: Client) -> None:
    wish = order(node_pools=[pool(), pool("large", instance_type="m5.4xlarge", disk_size=100)])
    body = (await client.post(ESTIMATE, wish)).body
    parts = [(c["sku"], c["node_pool"], c["quantity"]) for c in body["charges"]]
    assert parts == [
        ("control_plane", None, 1),
        ("node.m5.large", "default", 2),
        ("disk", "default", 100),
        ("node.m5.4xlarge", "large", 2),
        ("disk", "large", 200),
    ]
    assert Decimal(body["hourly"]) == sum(Decimal(c["hourly"]) for c in body["charges"])
    assert Decimal(body["monthly"]) == sum(Decimal(c["monthly"]) for c in body["charges"])
    hourly = Decimal("0.1") + 2 * (Decimal("0.096") + Decimal("0.768"))
    assert Decimal(body["hourly"]) == hourly + 300 * Decimal("0.000109589")
    assert body["monthly"] == str(round(Decimal(body["hourly"]) * 730, 2))


async def test_an_estimate_is_what_the_cluster_then_costs(client: Client) -> None:
    wish = order()
    estimate = (await client.post(ESTIMATE, wish)).body
    made = (await client.post("/v1/clusters", wish)).body
    cost = {"hourly": estimate["hourly"], "currency": "USD"}
    one = (await client.get(f"/v1/clusters/{made['resource_id']}")).body
    assert one["cost"] == cost
    assert [c["cost"] for c in (await client.get("/v1/clusters")).body["results"]] == [cost]


async def test_a_cluster_that_failed_holds_nothing_and_costs_nothing(client: Client) -> None:
    made = await client.order()
    await client.cancel(made)
    cluster = (await client.get(f"/v1/clusters/{made['resource_id']}")).body
    assert (cluster["status"], cluster["cost"]["hourly"]) == ("failed", "0.00")


async def test_a_pool_is_estimated_alone_and_needs_no_name(client: Client) -> None:
    wish = pool()
    del wish["name"]
    body = (await client.post(ESTIMATE, wish)).body
    assert [charge["resource_type"] for charge in body["charges"]] == ["node", "disk"]
    assert {charge["node_pool"] for charge in body["charges"]} == {None}


PREVIEW = "9.99"


@pytest.mark.parametrize(
    ("wish", "pointer", "code"),
    [
        (pool(node_count=10**9), "/node_count", "out_of_range"),
        (pool(node_count=4), "/node_count", "out_of_range"),
        (pool(instance_type="m5.tiny"), "/instance_type", "unknown_instance_type"),
        (order(version=PREVIEW), "/version", "unknown_version"),
        (order(node_pools=[]), "/node_pools", "bad_length"),
        (order(node_pools=[pool(disk_size=1)]), "/node_pools/0/disk_size", "out_of_range"),
        (order(colour="red"), "/colour", "unknown_field"),
        ([], "", "wrong_type"),
    ],
)
async def test_an_estimate_is_judged_as_the_order_would_be(
    client: Client, wish: Any, pointer: str, code: str
) -> None:
    answer = await client.post(ESTIMATE, wish)
    assert (answer.status, answer.faults.get(pointer)) == (422, code)


async def test_an_estimate_changes_nothing_and_leaves_no_line(
    client: Client, database: Database, tenant: UUID
) -> None:
    key = {"Idempotency-Key": "estimate"}
    wish = order()
    first = await client.post(ESTIMATE, wish, key)
    again = await client.post(ESTIMATE, wish, key)
    assert again.body == first.body
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (await client.post(ESTIMATE, order(), key)).code == "idempotency_key_reused"
    assert (await client.get("/v1/clusters")).body["results"] == []
    async with database.begin(tenant) as session:
        logged = await session.scalars(sa.select(ActivityLog.action))
        assert set(logged) == {"tenants.create"}


async def test_a_viewer_may_know_what_something_would_cost(viewer: Client) -> None:
    assert (await viewer.post(ESTIMATE, order())).status == 200


async def test_the_catalogue_is_read_again_after_some_seconds(
    database: Database, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    offers = CatalogueCache()
    async with database.begin(tenant) as session:
        first = await offers.current(session)
        assert await offers.current(session) is first
        monkeypatch.setattr(offers, "_read_at", offers._read_at - FRESH_SECONDS)
        assert await offers.current(session) is not first
