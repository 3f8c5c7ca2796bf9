"""What the API process holds while nobody asks it anything, against its libraries alone.

Each turn starts both anew: what a process holds is settled by how it began.
"""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from bench import contest, ground
from bench.contest import Result
from bench.ground import Urls
from cks.dev.programs import check_http
from tests.support.servers import free_ports

SAID = "resident memory of `python -m api`, ready and idle, in MB (of 1,000,000 bytes)"
SETTLING_SECONDS = 8
"""By then the reconciler has passed, lost rows were looked for, and Temporal was asked."""
KIB_PER_MB = 1_000_000 / 1024
FEWEST_PAIRS = 3


async def run(seconds: float) -> Result:
    over = time.monotonic() + seconds
    pairs: list[tuple[float, float]] = []
    async with ground.database() as urls, ground.temporal() as address:
        while time.monotonic() < over or len(pairs) < FEWEST_PAIRS:
            pairs.append((await _ours(urls, address), await _floor(urls)))
    return replace(contest.result_of(pairs), unit=" MB")


async def _ours(urls: Urls, temporal: str) -> float:
    port, ops_port = free_ports(2)
    variables = {
        "CKS_API_PORT": str(port),
        "CKS_OPS_PORT": str(ops_port),
        "TEMPORAL_ADDRESS": temporal,
        "TEMPORAL_NAMESPACE": ground.NAMESPACE,
    }
    with ground.process("api", urls, variables) as number:
        await ground.until(lambda: check_http(f"http://127.0.0.1:{ops_port}/readyz"))
        await asyncio.sleep(SETTLING_SECONDS)
        return _resident(number)


async def _floor(urls: Urls) -> float:
    (port,) = free_ports(1)
    with ground.process("bench.libraries", urls, {}, str(port)) as number:
        await ground.until(lambda: check_http(f"http://127.0.0.1:{port}/"))
        return _resident(number)


def _resident(number: int) -> float:
    """Return the megabytes of memory that a process has, as Linux counts them (VmRSS)."""
    status = Path(f"/proc/{number}/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / KIB_PER_MB
