"""Operations: listed, read, waited for, cancelled."""

import asyncio
import time
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from api.operations.operations import NAMES
from cks.db.admin.tenants import Founded
from cks.db.models.operations import OperationClaim
from cks.db.session import Database
from tests.support.client import CLUSTERS, Client
from tests.support.story import Stories

LIST = "/v1/operations"
SOON = 15
"""Seconds; far below what the requests that are answered soon may wait, on any machine."""


async def listed(client: Client, **query: str) -> list[str]:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    answer = await client.get(f"{LIST}?{asked}")
    assert answer.status == 200, answer.body
    return [operation["id"] for operation in answer.body["results"]]


async def test_each_filter_finds_what_fits(
    client: Client, stories: Stories, founded: Founded
) -> None:
    first, second = await client.order(), await client.order()
    await stories.of(first).complete()
    both = [second["id"], first["id"]]
    assert await listed(client) == both
    assert await listed(client, status="completed") == [first["id"]]
    assert await listed(client, status="completed&status=pending") == both
    assert await listed(client, type="cluster.create") == both
    assert await listed(client, type="cluster.delete") == []
    assert await listed(client, resource_type="node_pool") == []
    assert await listed(client, resource_id=second["resource_id"]) == [second["id"]]
    assert await listed(client, cluster_id=first["cluster_id"]) == [first["id"]]
    assert await listed(client, created_by=str(founded.user_id)) == both
    assert await listed(client, created_by=str(uuid4())) == []
    assert await listed(client, created_after=second["created_at"]) == []
    assert await listed(client, created_before=second["created_at"]) == [first["id"]]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("status=sleeping", "unknown_value"),
        ("type=cluster.paint", "unknown_value"),
        ("resource_type=teapot", "unknown_value"),
        ("resource_id=x", "bad_format"),
        ("created_after=yesterday", "bad_format"),
        ("created_after=2026-01-01", "bad_format"),
        ("created_after=2026", "bad_format"),
        ("created_after=2026-13-01T00:00:00Z", "bad_format"),
        ("created_after=", "bad_format"),
        ("created_after=2026-01-01T00:00:00", "bad_format"),
        ("created_before=0900-01-01T00:00:00Z", "out_of_range"),
        ("created_before=9999-01-01T00:00:00Z", "out_of_range"),
        ("page_token=x", "invalid_page_token"),
        ("colour=red", "unknown_field"),
    ],
)
async def test_a_wrong_filter_is_refused(client: Client, query: str, code: str) -> None:
    answer = await client.get(f"{LIST}?{query}")
    assert (answer.status, answer.faults) == (422, {f"?{query.partition('=')[0]}": code})


@pytest.mark.parametrize("type_", NAMES)
async def test_every_type_of_the_contract_is_a_filter(client: Client, type_: str) -> None:
    assert await listed(client, type=type_) == []


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"])
async def test_an_instant_at_the_end_of_time_is_an_instant(client: Client, at: str) -> None:
    assert (await client.get(f"{LIST}?created_after={at}")).status in (200, 422)
    assert (await client.get(f"{LIST}?created_before={at}")).status in (200, 422)


async def test_an_operation_is_read_as_it_is_now(client: Client, stories: Stories) -> None:
    operation = await client.order()
    await stories.of(operation).advance()
    told = (await client.get(f"{LIST}/{operation['id']}")).body
    assert (told["status"], told["phase"]) == ("running", "forward")
    assert 0 < told["progress"] < 99
    assert told["started_at"] is not None
    assert told["steps"][0] | {"status": "running", "attempt": 1} == told["steps"][0]


async def test_a_completed_operation_has_done_everything(client: Client, stories: Stories) -> None:
    operation = await client.order()
    await stories.of(operation).complete()
    told = (await client.get(f"{LIST}/{operation['id']}")).body
    assert (told["status"], told["progress"], told["done"]) == ("completed", 100, True)
    assert told["completed_at"] is not None
    assert (told["cancel"]["possible"], told["error"]) == (False, None)


async def test_a_failed_operation_says_why_and_whose_fault_it_was(
    client: Client, stories: Stories
) -> None:
    operation = await client.order()
    await stories.of(operation).fail()
    told = (await client.get(f"{LIST}/{operation['id']}")).body
    assert (told["status"], told["phase"]) == ("failed", "done")
    assert told["progress"] < 100
    error = told["error"]
    assert (error["code"], error["fault"]) == ("provider_unavailable", "provider")
    assert error["retryable"]
    assert "Create the network" in error["message"]


@pytest.mark.parametrize("wrong", ["x", "name:x", "%00", "0192f000-0000-7000-8000-000000000000"])
async def test_what_is_no_operation_is_not_found(client: Client, wrong: str) -> None:
    for path in (f"{LIST}/{wrong}", f"{LIST}/{wrong}/events"):
        answer = await client.get(path)
        assert (answer.status, answer.code) == (404, "not_found")
    assert (await client.post(f"{LIST}/{wrong}:cancel")).status == 404


async def test_whoever_waits_is_answered_when_it_ends(client: Client, stories: Stories) -> None:
    operation = await client.order()
    waiting = asyncio.create_task(client.get(f"{LIST}/{operation['id']}?wait=30"))
    await asyncio.sleep(0.3)
    await stories.of(operation).advance()
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await stories.of(operation).complete()
    answer = await asyncio.wait_for(waiting, SOON)
    assert answer.body["status"] == "completed"


async def test_whoever_waits_in_vain_is_answered_when_the_time_is_up(client: Client) -> None:
    operation = await client.order()
    began = time.monotonic()
    answer = await client.get(f"{LIST}/{operation['id']}?wait=1")
    assert 1 <= time.monotonic() - began < SOON
    assert (answer.status, answer.body["status"]) == (200, "pending")


async def test_nobody_waits_for_what_has_ended(client: Client) -> None:
    operation = await client.order()
    await client.cancel(operation)
    answer = await asyncio.wait_for(client.get(f"{LIST}/{operation['id']}?wait=60"), SOON)
    assert answer.body["done"]


@pytest.mark.parametrize(
    ("wait", "code", "why"),
    [
        ("61", "out_of_range", "must be between 0 and 60"),
        ("-1", "out_of_range", "must be between 0 and 60"),
        ("9" * 5_000, "out_of_range", "has too many digits"),
        ("x", "wrong_type", "must be a whole number"),
        ("1.5", "wrong_type", "must be a whole number"),
        ("", "wrong_type", "must be a whole number"),
        ("1&wait=1", "repeated_parameter", "is given more than once"),
    ],
    ids=range(7),
)
async def test_nobody_waits_for_longer_than_a_minute(
    client: Client, wait: str, code: str, why: str
) -> None:
    answer = await client.get(f"{LIST}/{uuid4()}?wait={wait}")
    assert answer.status == 422
    assert answer.body["errors"] == [{"pointer": "?wait", "code": code, "detail": why}]


async def claims(database: Database, tenant: UUID, operation: Any) -> int:
    mine = OperationClaim.operation_id == UUID(operation["id"])
    query = sa.select(sa.func.count()).select_from(OperationClaim).where(mine)
    async with database.begin(tenant) as session:
        return int((await session.execute(query)).scalar_one())


async def test_what_nobody_has_begun_is_cancelled_at_once(
    client: Client, database: Database, tenant: UUID
) -> None:
    operation = await client.order()
    assert await claims(database, tenant, operation) == 1
    answer = await client.cancel(operation)
    assert (answer.status, answer.body["status"]) == (202, "cancelled")
    assert answer.headers["Location"] == f"{LIST}/{operation['id']}"
    assert (answer.body["done"], answer.body["error"]) == (True, None)
    assert await claims(database, tenant, operation) == 0
    cluster = (await client.get(f"{CLUSTERS}/{operation['resource_id']}")).body
    assert (cluster["status"], cluster["current_operation_id"]) == ("failed", None)
    assert {pool["status"] for pool in cluster["node_pools"]} == {"failed"}


async def test_what_runs_is_cancelled_when_its_run_has_undone_it(
    client: Client, stories: Stories
) -> None:
    operation = await client.order()
    story = stories.of(operation)
    await story.advance()
    asked = (await client.cancel(operation)).body
    assert (asked["status"], asked["done"]) == ("running", False)
    assert asked["cancel_requested_at"] is not None
    assert (await client.cancel(operation)).body == asked
    await story.undo()
    assert (await client.get(f"{LIST}/{operation['id']}")).body["status"] == "cancelled"


async def test_cancelling_again_changes_nothing(client: Client) -> None:
    operation = await client.order()
    first = await client.cancel(operation)
    again = await client.cancel(operation)
    assert (again.status, again.body) == (202, first.body)


async def test_many_cancels_at_once_are_one(client: Client) -> None:
    operation = await client.order()
    answers = await asyncio.gather(*(client.cancel(operation) for _ in range(10)))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.body["cancel_requested_at"] for answer in answers}) == 1


async def test_what_has_completed_or_failed_cannot_be_cancelled(
    client: Client, stories: Stories
) -> None:
    done, lost = await client.order(), await client.order()
    await stories.of(done).complete()
    await stories.of(lost).fail()
    for operation, status in ((done, "completed"), (lost, "failed")):
        answer = await client.cancel(operation)
        assert (answer.status, answer.code) == (409, "operation_done")
        assert answer.body["status"] == 409
        assert status in answer.body["detail"]
