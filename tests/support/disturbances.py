"""Clouds that fail where no fault of the simulated one can be aimed: at the last look."""

import asyncio
from dataclasses import replace
from typing import Any

from cks.providers.base import Observed, Provider, State


class Wrapped:
    """Hands everything on to the cloud behind it."""

    def __init__(self, behind: Provider) -> None:
        self.behind = behind
        self.installed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)

    async def observe(self, cluster_id: Any) -> Observed:
        seen = await self.behind.observe(cluster_id)
        deleting = seen.control_plane.state in (State.DELETING, State.ABSENT)
        full = all(pool.state is State.READY for pool in seen.pools.values()) and seen.pools
        if self.installed and full and not deleting:
            await self.strike()
        self.installed = seen.addons is State.READY
        return seen

    async def strike(self) -> None:
        raise NotImplementedError


class DeniesOnce(Wrapped):
    """Accepts a pool, and does not know it when it is looked at for the first time."""

    times = 1

    async def observe(self, cluster_id: Any) -> Observed:
        seen = await self.behind.observe(cluster_id)
        if seen.pools and self.times:
            self.times -= 1
            return replace(seen, pools={})
        return seen


class DeniesAlways(DeniesOnce):
    times = 10_000


class FailsToVerify(Wrapped):
    async def strike(self) -> None:
        raise ValueError("not what anybody expected")


class HangsAtVerify(Wrapped):
    async def strike(self) -> None:
        await asyncio.Event().wait()
