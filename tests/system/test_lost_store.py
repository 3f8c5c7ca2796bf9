"""Temporal's store is deleted while runs are open: they begin again from the recorded steps."""

import asyncio
import signal
from datetime import timedelta

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from cks.temporal.connection import RETENTION
from tests.system.outside import Body, Outside

pytestmark = pytest.mark.trial


def lose_store(outside: Outside) -> None:
    """Kill Temporal and delete its files; a server that stands still makes no new ones."""
    outside.send("temporal", signal.SIGSTOP)
    files = list(outside.folder.glob("temporal.db*"))
    assert {file.suffix for file in files} == {".db", ".db-wal", ".db-shm"}
    for file in files:
        file.unlink()
    outside.kill("temporal")


async def connected(outside: Outside) -> Client:
    address, namespace = outside.exports["TEMPORAL_ADDRESS"], outside.exports["TEMPORAL_NAMESPACE"]
    return await Client.connect(address, namespace=namespace)


async def retention(temporal: Client) -> timedelta:
    request = DescribeNamespaceRequest(namespace=temporal.namespace)
    described = await temporal.workflow_service.describe_namespace(request)
    return described.config.workflow_execution_retention_ttl.ToTimedelta()


async def runs_of(temporal: Client, operation: Body) -> list[str]:
    """Return the runs that Temporal finds by our own search attribute."""
    query = f"CksOperationId = '{operation['id']}'"
    return [run.run_id async for run in temporal.list_workflows(query)]


async def test_an_operation_goes_on_soon_in_a_new_store_and_completes(outside: Outside) -> None:
    operation = await outside.half_done()
    lost = await runs_of(await connected(outside), operation)
    lose_store(outside)
    await outside.goes_on(operation)
    assert (await outside.ended(operation))["status"] == "completed"

    temporal = await connected(outside)
    found = await runs_of(temporal, operation)
    assert len(found) == 1
    assert found != lost
    assert await retention(temporal) == RETENTION


async def test_operations_in_every_phase_outlive_the_store(outside: Outside) -> None:
    forward, turned = await asyncio.gather(outside.half_done(), outside.half_done())
    await outside.tenant.cancel(turned)
    await outside.until(turned, lambda now: now["phase"] == "compensating")
    fresh = await outside.create()
    lose_store(outside)
    await asyncio.gather(*map(outside.goes_on, (forward, turned, fresh)))

    ended = await asyncio.gather(*map(outside.ended, (forward, turned, fresh)))
    assert [one["status"] for one in ended] == ["completed", "cancelled", "completed"]
