"""The loops alone, in a process of their own, with an operators' port; it serves no tenant.

For where API processes say ``CKS_API_RUNS_LOOPS=false``.  The only module in this room that knows
of a port: it wires, and nothing imports it.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.envconfig import ClientConnectConfig

from api.background.loops import hearing, loops_of
from api.ops import HealthChecks, build_ops
from api.process import all_beside, listening, reaching, refuse_power, run
from cks.process import leave
from cks.settings import Settings

log = logging.getLogger("cks.api")


@asynccontextmanager
async def running(given: Settings, profile: ClientConnectConfig) -> AsyncIterator[None]:
    """Run all loops and the operators' port for as long as the block lasts."""
    async with reaching(given, profile) as servers:
        await refuse_power(servers)
        loops = loops_of(*servers)
        ops = build_ops(HealthChecks(*servers, loops))
        async with (
            all_beside([*loops, hearing(given.listening_url, loops.relay)]),
            listening(ops, given.api_host, given.ops_port),
        ):
            log.info("running the loops; serving operators on port %s", given.ops_port)
            yield


if __name__ == "__main__":
    leave(run(running))
