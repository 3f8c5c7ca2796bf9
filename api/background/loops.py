"""Which loops there are beside the API, and how often each looks.

They share nothing with the tenants' port but the rows, so they may run in its process or in one
of their own (``python -m api.background``), in any number.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from api.background import deadline_keeper, lost_operations, reconciler, relay
from api.background.deadline_keeper import DeadlineKeeper
from api.background.lost_operations import LostOperations
from api.background.reconciler import Reconciler
from api.background.relay import Relay
from cks.db.dispatch import Dispatch
from cks.db.listening import listen
from cks.db.session import Database
from cks.loop import Loop
from cks.temporal.engine import EngineAway, Temporal

FIRST = 1
"""The ``seq`` of what an operation tells when it is accepted."""
LISTENING_SECONDS = 1.0

log = logging.getLogger("cks.relay")


class Loops(NamedTuple):
    """All of them, each by the name that operators read."""

    relay: Loop
    reconciler: Loop
    deadlines: Loop
    lost_operations: Loop


def loops_of(database: Database, dispatch: Dispatch, temporal: Temporal) -> Loops:
    """Return the loops, none of them running yet."""
    delivering = partial(deliver, Relay(database, dispatch, temporal))
    compare = Reconciler(database, dispatch, temporal).reconcile
    reconciling = partial(alone, dispatch, reconciler.LOCK, compare)
    keeper = DeadlineKeeper(database, dispatch)
    name = LostOperations(database, dispatch, temporal).name
    naming = partial(alone, dispatch, lost_operations.LOCK, name)
    return Loops(
        Loop("relay", relay.POLL_SECONDS, delivering),
        Loop("reconciler", reconciler.EVERY_SECONDS, reconciling),
        Loop("deadlines", deadline_keeper.EVERY_SECONDS, keeper.keep),
        Loop("lost_operations", lost_operations.AGAIN_SECONDS, naming, ends=True),
    )


def hearing(url: str, relay: Loop) -> Loop:
    """Return the loop that wakes the relay when any process accepts an operation."""
    return Loop("announcements", LISTENING_SECONDS, partial(hear, url, relay.wake))


async def deliver(relay: Relay) -> None:
    """Relay; without Temporal it has at least looked at what waits."""
    try:
        await relay.relay()
    except EngineAway:
        log.warning("Temporal does not answer; what was accepted waits")


async def alone(dispatch: Dispatch, lock: int, work: Callable[[], Awaitable[None]]) -> bool:
    """Work, unless another process is at it; say whether it was us."""
    async with dispatch.alone(lock) as ours:
        if ours:
            await work()
    return ours


async def hear(url: str, wake: Callable[[], None]) -> None:
    """Call ``wake`` for each operation that is accepted, until the connection ends."""
    async for said in listen(url):
        if said.seq == FIRST:
            wake()
