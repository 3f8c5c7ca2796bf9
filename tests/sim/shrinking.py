"""Which of a broken history's mishaps matter: delta debugging, by playing it again."""

from collections.abc import Sequence

from tests.sim.history import History
from tests.sim.playing import replay
from tests.sim.stage import Stage


async def shrink(stage: Stage, broken: History) -> History:
    """Return a history of the same seed, still broken, that needs each of its mishaps.

    It may be broken otherwise: whatever breaks with fewer mishaps is the better story.
    """
    best, parts = broken, 2
    while len(numbers := _numbers(best)) > 1:
        smaller = await _smaller(stage, best.seed, numbers, parts)
        if smaller:
            best, parts = smaller, max(parts - 1, 2)
        elif parts >= len(numbers):
            return best
        else:
            parts = min(parts * 2, len(numbers))
    return await _without(stage, best)


async def _smaller(stage: Stage, seed: int, numbers: Sequence[int], parts: int) -> History | None:
    """Leave one part of the mishaps out after the other, until it still breaks."""
    size = -(-len(numbers) // parts)
    for first in range(0, len(numbers), size):
        rest = [*numbers[:first], *numbers[first + size :]]
        history = await replay(stage, seed, rest)
        if history.broken:
            return history
    return None


async def _without(stage: Stage, best: History) -> History:
    """Try it without any mishap: then the code is broken on good days, too."""
    history = await replay(stage, best.seed, ())
    return history if history.broken else best


def _numbers(history: History) -> list[int]:
    return [number for number, _ in history.inflicted]
