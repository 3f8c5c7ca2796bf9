"""Runs what operators are told to paste: filters, queries, alerts."""

import asyncio
import re
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from prometheus_client import generate_latest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.service import RPCError

from api.background.metrics import LAST_PASS, REPAIRS
from api.background.relay import launch_of
from api.http import metrics
from cks.db.admin.connection import as_owner
from cks.db.admin.tenants import Founded
from cks.domain.operations.failures import ENGINE_LOST
from cks.temporal.engine import SEARCH_ATTRIBUTES, Temporal, trace_of
from tests.conftest import Urls
from tests.support.simulator import simulator
from tests.support.site import site

PAGE = (Path(__file__).parent.parent / "docs/operating.md").read_text(encoding="utf-8")
NOBODY = str(UUID(int=0))
SECONDS = 30


def part(title: str) -> str:
    """Return what stands under a heading, up to the next one."""
    return re.split(r"^#+ .*$", PAGE.split(f" {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def rows(title: str) -> dict[str, str]:
    """Return view → filter of the table under a heading."""
    return dict(re.findall(r"^\| ([^`|]+) \| `(.+)` \|$", part(title), re.MULTILINE))


FILTERS = rows("In Temporal's UI")
QUERIES = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ALERTS = re.findall(r"^\| `(.+?)` \| \d", part("Alerts"), re.MULTILINE)


async def ids(temporal: Client, query: str) -> set[str]:
    return {run.id async for run in temporal.list_workflows(query)}


@pytest.mark.parametrize("query", FILTERS.values(), ids=FILTERS.keys())
async def test_temporal_takes_every_filter(temporal: Client, query: str) -> None:
    assert await ids(temporal, f"({query}) AND WorkflowId = 'nobody'") == set()


async def test_temporal_refuses_a_filter_that_names_what_is_not_there(temporal: Client) -> None:
    with pytest.raises(RPCError):
        await ids(temporal, "CksNothing = 'x'")


async def test_the_filters_find_a_run_by_what_it_is_about(
    urls: Urls, temporal: Client, founded: Founded
) -> None:
    async with simulator(speed=2000) as cloud, site(urls, temporal, founded, cloud) as ours:
        operation = await ours.order()
        await Temporal(temporal, uuid4().hex).start(launch_of(operation), again=False)
        told = {
            "all of one tenant": operation.tenant_id,
            "all about one cluster": operation.resource_id,
            "one operation, with its sweep": operation.id,
        }
        workflow_id = operation.workflow_id or ""
        mine = f" AND WorkflowId = '{workflow_id}'"
        async with asyncio.timeout(SECONDS):
            while not await ids(temporal, FILTERS["what is under way"] + mine):
                await asyncio.sleep(0.1)
        trace = await trace_of(temporal, operation.resource_id)
        assert trace
        assert (trace.tenant_id, trace.operation_id) == (
            str(ours.caller.tenant_id),
            str(operation.id),
        )
        assert await trace_of(temporal, uuid4()) is None
        for view, wanted in told.items():
            assert await ids(temporal, FILTERS[view].replace(NOBODY, str(wanted))) == {workflow_id}
        await ours.run_of(operation).terminate()
        async with asyncio.timeout(SECONDS):
            while not await ids(temporal, FILTERS["ended by hand"] + mine):
                await asyncio.sleep(0.1)


def test_every_search_attribute_is_told() -> None:
    told = part("Read a run in Temporal's UI")
    assert [key.name for key in SEARCH_ATTRIBUTES if f"`{key.name}`" not in told] == []


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: " ".join(query.split()[:4]))
async def test_postgresql_takes_every_query(urls: Urls, query: str) -> None:
    async with as_owner(urls.owner) as connection:
        result = await connection.execute(sa.text(query))
        assert result.returns_rows or result.rowcount == 0


async def test_the_queries_find_what_failed_and_what_was_repaired(
    urls: Urls, owner: AsyncEngine, temporal: Client, founded: Founded
) -> None:
    failed = next(query for query in QUERIES if "failure->>'code'" in query)
    repaired = next(query for query in QUERIES if "actor_type = 'system'" in query)
    async with simulator(speed=2000) as cloud, site(urls, temporal, founded, cloud) as ours:
        operation = await ours.order()
        await Temporal(temporal, uuid4().hex).start(launch_of(operation), again=False)
        await ours.relay.relay()
        await ours.run_of(operation).terminate()
        await ours.reconciler.reconcile(0)
    async with owner.connect() as connection:
        codes = {row.code for row in await connection.execute(sa.text(failed))}
        actions = {row.action for row in await connection.execute(sa.text(repaired))}
    assert ENGINE_LOST in codes
    assert "operations.engine_lost" in actions


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_names_a_metric_and_labels_that_there_are(alert: str) -> None:
    metrics.REQUESTS.labels("GET", "/v1/clusters", "200")
    metrics.SECONDS.labels("GET", "/v1/clusters")
    REPAIRS.labels("operations.engine_lost")
    LAST_PASS.labels("reconciler")
    told = generate_latest().decode()
    (named,) = re.findall(r"cks_\w+", alert)
    line = next((one for one in told.splitlines() if re.match(rf"{named}[ {{]", one)), None)
    assert line, named
    labels = re.findall(r"[{,](\w+)(?:=|!~)", alert)
    assert [label for label in labels if f'{label}="' not in line] == []
