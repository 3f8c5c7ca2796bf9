"""A tenant's own settings, and what a suspended one may still do."""

import zoneinfo
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from cks.db.admin import tenant_status
from cks.db.models.activity import ActivityLog
from cks.db.session import Database
from cks.domain.instants import zones
from tests.conftest import Urls
from tests.support.client import CLUSTERS, Client, order

TENANT = "/v1/tenant"
MERGE = {"Content-Type": "application/merge-patch+json"}


async def patch(client: Client, body: Any, headers: dict[str, str] | None = None) -> Any:
    return await client.call("PATCH", TENANT, body, headers)


async def test_a_tenant_reads_and_changes_its_settings(client: Client, tenant: UUID) -> None:
    before = (await client.get(TENANT)).body
    assert (before["id"], before["name"], before["status"]) == (str(tenant), "acme", "active")
    assert (before["timezone"], before["billing_cycle"]) == ("UTC", "month")
    changed = await patch(client, {"timezone": "Australia/Lord_Howe"}, MERGE)
    assert (changed.status, changed.body["timezone"]) == (200, "Australia/Lord_Howe")
    assert changed.body["updated_at"] > before["updated_at"]
    both = await patch(client, {"name": "Acme & Söhne", "billing_cycle": "day"})
    assert (both.body["name"], both.body["billing_cycle"]) == ("Acme & Söhne", "day")
    assert (await client.get(TENANT)).body == both.body
    assert (await patch(client, {})).body["name"] == "Acme & Söhne"


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"timezone": "Mars/Olympus_Mons"}, "/timezone", "unknown_time_zone"),
        ({"timezone": "Mars5"}, "/timezone", "unknown_time_zone"),
        ({"timezone": "UTC+3"}, "/timezone", "unknown_time_zone"),
        ({"timezone": None}, "/timezone", "wrong_type"),
        ({"name": ""}, "/name", "bad_format"),
        ({"name": " x"}, "/name", "bad_format"),
        ({"name": "a\nb"}, "/name", "bad_format"),
        ({"name": "x" * 129}, "/name", "bad_length"),
        ({"billing_cycle": "year"}, "/billing_cycle", "unknown_value"),
        ({"currency": "EUR"}, "/currency", "unknown_field"),
        ({"status": "active"}, "/status", "unknown_field"),
    ],
)
async def test_a_setting_that_cannot_be_meant_changes_nothing(
    client: Client, body: dict[str, Any], pointer: str, code: str
) -> None:
    before = (await client.get(TENANT)).body
    answer = await patch(client, body)
    assert (answer.status, answer.faults) == (422, {pointer: code})
    assert (await client.get(TENANT)).body == before


async def test_postgresql_knows_zones_that_python_does_not_and_they_are_refused(
    client: Client, database: Database, tenant: UUID
) -> None:
    async with database.begin(tenant) as session:
        known = set(await session.scalars(sa.text("SELECT name FROM pg_timezone_names")))
        assert await session.scalar(sa.text("SELECT tz_ok('Mars5')"))
    for zone in sorted(known - zoneinfo.available_timezones())[:3]:
        assert (await patch(client, {"timezone": zone})).status == 422


async def test_every_zone_that_is_taken_is_one_of_the_databases(
    database: Database, tenant: UUID
) -> None:
    """`localtime` is a file of this machine, and another one's time is another."""
    async with database.begin(tenant) as session:
        every = "SELECT zone FROM unnest(CAST(:zones AS text[])) zone"
        query = sa.text(f"{every} WHERE NOT tz_ok(zone)")
        unknown = await session.scalars(query, {"zones": sorted(zones())})
        assert list(unknown) == []


async def test_who_may_read_may_not_change(viewer: Client) -> None:
    assert (await viewer.get(TENANT)).status == 200
    assert (await patch(viewer, {"name": "mine"})).code == "forbidden"


async def test_a_repeated_change_is_answered_as_the_first_time(client: Client) -> None:
    key = {"Idempotency-Key": "rename"}
    first = await patch(client, {"name": "first"}, key)
    await patch(client, {"name": "second"})
    again = await patch(client, {"name": "first"}, key)
    assert (again.status, again.body) == (200, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert (await client.get(TENANT)).body["name"] == "second"
    assert (await patch(client, {"name": "third"}, key)).code == "idempotency_key_reused"


async def test_a_change_is_a_line_in_the_log(
    client: Client, database: Database, tenant: UUID
) -> None:
    await patch(client, {"name": "logged"})
    one = ActivityLog
    query = sa.select(one.status, one.resource_id).where(one.action == "tenant.update")
    async with database.begin(tenant) as session:
        assert [tuple(row) for row in await session.execute(query)] == [("success", tenant)]


async def test_a_suspended_tenant_reads_and_cancels_and_starts_nothing(
    client: Client, urls: Urls, tenant: UUID
) -> None:
    made = await client.order()
    await tenant_status.suspend(urls.owner, str(tenant))
    for path in (TENANT, CLUSTERS, f"{CLUSTERS}/{made['resource_id']}", "/v1/operations"):
        assert (await client.get(path)).status == 200
    assert (await client.get(TENANT)).body["status"] == "suspended"
    cluster = f"{CLUSTERS}/{made['resource_id']}"
    for method, path, body in (
        ("POST", CLUSTERS, order()),
        ("DELETE", cluster, None),
        ("PATCH", TENANT, {"name": "x"}),
    ):
        answer = await client.call(method, path, *([body] if body else []))
        assert (answer.status, answer.code) == (403, "tenant_suspended"), path
    assert (await client.post("/v1/billing:estimate", order())).status == 200
    assert (await client.cancel(made)).body["status"] == "cancelled"

    await tenant_status.activate(urls.owner, str(tenant))
    assert (await client.post(CLUSTERS, order())).status == 202


async def test_what_a_suspended_tenant_was_refused_is_in_the_log(
    client: Client, urls: Urls, database: Database, tenant: UUID
) -> None:
    await tenant_status.suspend(urls.owner, str(tenant))
    await client.post(CLUSTERS, order())
    one = ActivityLog
    query = sa.select(one.status, one.reason).where(one.action == "clusters.create")
    async with database.begin(tenant) as session:
        found = [tuple(row) for row in await session.execute(query)]
    assert found == [("denied", "tenant_suspended")]


async def test_a_closed_tenants_tokens_open_nothing(
    client: Client, owner: Any, tenant: UUID
) -> None:
    async with owner.begin() as connection:
        close = sa.text("UPDATE tenants SET status = 'closed' WHERE id = :id")
        await connection.execute(close, {"id": tenant})
    assert (await client.get(TENANT)).code == "unauthenticated"
