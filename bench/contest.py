"""Two at the same work, a little while each by turns, until the time is up."""

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

TURN_SECONDS = 1.0
WARM_UP_TURNS = 2
FEWEST_PAIRS = 3

Turn = Callable[[float], Awaitable[float]]
"""Works for so many seconds and returns how much was done per second."""


@dataclass(frozen=True, slots=True)
class Result:
    """What was done per second, in the median turn; ``ratio`` of turns side by side.

    ``more``: other figures of ours, by name.  ``unit`` is another where something else is counted.
    """

    ours: float
    floor: float
    ratio: float
    least: float
    most: float
    turns: int
    more: Mapping[str, float] = field(default_factory=dict)
    unit: str = "/s"


async def hold(ours: Turn, floor: Turn, seconds: float) -> Result:
    """Let both work by turns for so many seconds in all, after a warm-up.

    Which of the two begins a pair changes from pair to pair, so that what grows, or tires,
    favours neither.
    """
    for _ in range(WARM_UP_TURNS):
        await ours(TURN_SECONDS)
        await floor(TURN_SECONDS)
    pairs: list[tuple[float, float]] = []
    over = time.monotonic() + seconds
    while time.monotonic() < over or len(pairs) < FEWEST_PAIRS:
        if len(pairs) % 2:
            done = await floor(TURN_SECONDS)
            pairs.append((await ours(TURN_SECONDS), done))
        else:
            pairs.append((await ours(TURN_SECONDS), await floor(TURN_SECONDS)))
    return result_of(pairs)


def result_of(pairs: Sequence[tuple[float, float]]) -> Result:
    """Return what pairs of rates (ours, floor) come to."""
    ratios = sorted(mine / theirs for mine, theirs in pairs)
    return Result(
        ours=statistics.median(mine for mine, _ in pairs),
        floor=statistics.median(theirs for _, theirs in pairs),
        ratio=statistics.median(ratios),
        least=ratios[0],
        most=ratios[-1],
        turns=len(pairs),
    )
