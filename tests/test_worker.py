"""The worker as a process: whom it refuses to be, and how it ends."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from temporalio.client import Client

from tests.conftest import Urls

ROOT = Path(__file__).parent.parent


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


async def heard(process: asyncio.subprocess.Process, words: str) -> bool:
    """Read its log until the words come; false if it ends without them."""
    assert process.stderr is not None
    async with asyncio.timeout(20):
        async for line in process.stderr:
            if words in line.decode():
                return True
    return False


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
