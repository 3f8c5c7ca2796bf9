"""What was found is acted on a few at a time, and one's trouble is no other's."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from cks import logs
from cks.db.dispatch import Found
from cks.temporal.engine import EngineAway

AT_ONCE = 8

log = logging.getLogger("cks.relay")


async def each(act: Callable[[Found], Awaitable[None]], found: Sequence[Found]) -> None:
    """Act on each.  Raise ``EngineAway`` once a few together met it: the rest would, too.

    A call's own ``CancelledError`` is trouble as any other; ours is raised where we wait.
    """
    for first in range(0, len(found), AT_ONCE):
        few = found[first : first + AT_ONCE]
        doing = (_about(one, act) for one in few)
        ends = await asyncio.gather(*doing, return_exceptions=True)
        for one, end in zip(few, ends, strict=True):
            if isinstance(end, BaseException):
                with logs.bound(one.ref, one.workflow_id):
                    log.error("the operation could not be processed", exc_info=_worth_telling(end))
        away = [end for end in ends if isinstance(end, EngineAway)]
        if len(away) == len(few):
            raise away[0]


async def _about(one: Found, act: Callable[[Found], Awaitable[None]]) -> None:
    """Act on one, and say whose it is in all that is logged meanwhile."""
    with logs.bound(one.ref, one.workflow_id):
        await act(one)


def _worth_telling(end: BaseException) -> BaseException | None:
    return None if isinstance(end, EngineAway) else end
