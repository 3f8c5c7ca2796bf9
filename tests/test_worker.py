"""The worker as a process: whom it refuses to be, and how it ends."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.service import RPCError

from api.background.relay import launch_of
from cks.db.admin.tenants import Founded
from cks.domain.operations.lifecycle import OperationStatus
from cks.temporal.engine import Temporal
from tests.conftest import Urls
from tests.support.simulator import simulator
from tests.support.site import site

ROOT = Path(__file__).parent.parent


@pytest.fixture
async def cloud_url() -> AsyncIterator[str]:
    async with simulator(speed=2000) as url:
        yield url


async def start(url: str, address: str) -> asyncio.subprocess.Process:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("CKS_", "TEMPORAL_"))}
    surroundings = inherited | {
        "CKS_APP_DATABASE_URL": url,
        "TEMPORAL_ADDRESS": address,
        "TEMPORAL_NAMESPACE": "default",
        "PYTHONUNBUFFERED": "1",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "worker.py",
        cwd=ROOT,
        env=surroundings,
        stderr=asyncio.subprocess.PIPE,
    )


async def heard(process: asyncio.subprocess.Process, words: str) -> dict[str, Any]:
    """Read its log until a line has the words, and return it; empty if it ends without them."""
    assert process.stderr is not None
    async with asyncio.timeout(20):
        async for line in process.stderr:
            if words in line.decode():
                told: dict[str, Any] = json.loads(line)
                return told
    return {}


async def test_refuses_to_work_as_a_login_that_could_do_more(urls: Urls) -> None:
    process = await start(urls.owner, "127.0.0.1:1")
    assert await heard(process, "is a superuser")
    assert await process.wait() == 1


async def test_waits_for_temporal_and_ends_when_asked(urls: Urls) -> None:
    process = await start(urls.app, "127.0.0.1:1")
    assert await heard(process, "Temporal does not answer")
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_works_and_ends_when_asked(urls: Urls, temporal: Client) -> None:
    process = await start(urls.app, temporal.service_client.config.target_host)
    assert await heard(process, "working on task queue cks")
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_its_lines_name_the_operation_and_the_run(
    urls: Urls, temporal: Client, founded: Founded, cloud_url: str
) -> None:
    process = await start(urls.app, temporal.service_client.config.target_host)
    async with site(urls, temporal, founded, cloud_url) as ours:
        operation = await ours.order()
        await ours.cancel(operation)
        await Temporal(temporal, "cks").start(launch_of(operation), again=True)
        failed = await heard(process, "Completing activity as failed")
        ended = await heard(process, "the operation is settled")
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 10) == 0

    run = {"workflow_id": operation.workflow_id, "run_id": failed["run_id"]}
    whose = {"tenant_id": str(founded.tenant_id), "operation_id": str(operation.id)}
    assert (run | whose | {"activity": "create_network", "attempt": "1"}).items() <= failed.items()
    assert (run | {"workflow_type": "ProvisionCluster"}).items() <= ended.items()


async def test_a_run_stays_on_the_build_that_began_it(
    urls: Urls, temporal: Client, founded: Founded, cloud_url: str
) -> None:
    build = uuid4().hex
    async with site(urls, temporal, founded, cloud_url, build_id=build) as ours:
        await made_current(temporal, build)
        operation = await ours.order()
        rows = await ours.ended(operation)
        seen = await ours.run_of(operation).describe()

    assert rows.operation.status is OperationStatus.COMPLETED
    pinned = seen.raw_description.workflow_execution_info.versioning_info
    assert pinned.deployment_version.build_id == build


async def made_current(temporal: Client, build: str) -> None:
    """Send new runs to a build, once its worker has shown itself."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=temporal.namespace, deployment_name="cks", build_id=build, identity="tests"
    )
    async with asyncio.timeout(20):
        while True:
            try:
                await temporal.workflow_service.set_worker_deployment_current_version(request)
            except RPCError:
                await asyncio.sleep(0.2)
            else:
                return
