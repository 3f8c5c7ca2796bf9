"""``cks admin temporal``, against a real server."""

import asyncio
from uuid import uuid4

from click.testing import CliRunner, Result
from temporalio.client import Client
from temporalio.worker import Worker

from cks.cli.main import operators
from workflows.sweep_orphans import SweepOrphans


async def ask(temporal: Client, *words: str, **more: str) -> Result:
    """Run a command in a thread, where it can have an event loop of its own."""
    environment = {
        "TEMPORAL_ADDRESS": temporal.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": temporal.namespace,
        **more,
    }
    command = ("temporal", *words)
    return await asyncio.to_thread(CliRunner().invoke, operators, command, env=environment)


async def test_a_namespace_is_made_once_and_found_again(temporal: Client) -> None:
    name = f"n{uuid4().hex}"
    for _ in range(2):
        answer = await ask(temporal, "prepare", TEMPORAL_NAMESPACE=name)
        assert answer.stderr == ""
        assert answer.stdout == f"The namespace {name} is ready.\n"


async def test_workers_are_told_by_their_host(temporal: Client) -> None:
    queue = uuid4().hex
    none = await ask(temporal, "workers", CKS_TASK_QUEUE=queue)
    assert (none.exit_code, none.stderr) == (1, "Error: No worker has asked for work lately.\n")
    worker = Worker(temporal, task_queue=queue, workflows=[SweepOrphans], identity="7@there")
    async with worker, asyncio.timeout(20):
        while (await ask(temporal, "workers", CKS_TASK_QUEUE=queue)).exit_code:
            await asyncio.sleep(0.2)
        here = await ask(temporal, "workers", "--host", "there", CKS_TASK_QUEUE=queue)
        assert '"identity": "7@there"' in here.stdout
        elsewhere = await ask(temporal, "workers", "--host", "here", CKS_TASK_QUEUE=queue)
        assert elsewhere.exit_code == 1


async def test_a_server_that_is_away_is_one_line(temporal: Client) -> None:
    away = await ask(temporal, "prepare", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert away.exit_code == 1
    assert away.stderr.startswith("Error: Temporal cannot be asked: ")
    assert away.stderr.count("\n") == 1
