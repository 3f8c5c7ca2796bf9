"""Removes all of a cluster by hand: what carries something goes last, as the provider demands."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from cks.providers.base import Observed, Provider, State

POLL_SECONDS = 1.0


async def remove_cluster(provider: Provider, cluster_id: UUID, fence: int) -> None:
    """Return when nothing of it is left; run twice, it removes what the first time left."""

    async def until(gone: Callable[[Observed], bool]) -> None:
        while not gone(await provider.observe(cluster_id)):  # noqa: ASYNC110  (it is far away)
            await asyncio.sleep(POLL_SECONDS)

    for pool_id in (await provider.observe(cluster_id)).pools:
        await provider.delete_node_pool(cluster_id, pool_id, fence)
    await until(lambda seen: not seen.pools)
    await provider.delete_control_plane(cluster_id, fence)
    await until(lambda seen: seen.control_plane.state is State.ABSENT)
    await provider.delete_network(cluster_id, fence)
    await until(lambda seen: seen.network is State.ABSENT)
