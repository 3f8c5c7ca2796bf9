"""A simulated cloud for a test: in this process, on a free port, with a file of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from cks.providers.simulated.cloud import Terms
from cks.providers.simulated.server import application


@asynccontextmanager
async def simulator(
    speed: float = 1000,
    *,
    data: Path | None = None,
    seed: str = "cks",
    capacity_vcpus: int = 100_000,
    quota_nodes: int = 10_000,
) -> AsyncIterator[str]:
    """Run a simulated cloud and yield its URL; ``data`` is its file, else a passing one."""
    with TemporaryDirectory(prefix="cks-simulator-") as folder:
        terms = Terms(seed, speed, capacity_vcpus, quota_nodes)
        app = application(data or Path(folder) / "simulator.db", terms)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            yield f"http://{host}:{port}"
        finally:
            await runner.cleanup()
