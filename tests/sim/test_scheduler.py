"""Our code passes; a history replays, and a broken one is shortened to what matters."""

from collections.abc import AsyncIterator

import pytest

from tests.sim.playing import play, replay
from tests.sim.sabotages import SABOTAGES, Sabotage
from tests.sim.shrinking import shrink
from tests.sim.stage import Stage, stage

SEEDS = 100
AT_MOST = 12
"""Histories that may pass before a sabotage is noticed, from its own first seed on."""


@pytest.fixture(scope="module")
async def built() -> AsyncIterator[Stage]:
    async with stage() as built:
        yield built


async def test_histories_that_nobody_thought_of_break_nothing(built: Stage) -> None:
    broken = {h.seed: h.broken for h in await play(built, range(SEEDS)) if h.broken}
    assert broken == {}


async def test_a_seed_is_one_history(built: Stage) -> None:
    first, second = await play(built, [13]), await play(built, [13])
    assert first[0].told == second[0].told
    assert first[0].inflicted == second[0].inflicted
    assert first[0].inflicted


@pytest.mark.trial
async def test_a_broken_history_is_shortened_to_the_mishaps_that_matter(
    built: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage, seed = SABOTAGES["the undo is pushed after its step"]
    sabotage(monkeypatch)
    broken = next(h for h in await play(built, range(seed, seed + AT_MOST)) if h.broken)
    short = await shrink(built, broken)
    numbers = [number for number, _ in short.inflicted]
    assert short.broken
    assert 0 < len(numbers) <= len(broken.inflicted)
    for number in numbers:
        rest = [other for other in numbers if other != number]
        assert not (await replay(built, short.seed, rest)).broken


@pytest.mark.trial
@pytest.mark.parametrize(("sabotage", "seed"), SABOTAGES.values(), ids=SABOTAGES.keys())
async def test_notices_when(
    built: Stage, monkeypatch: pytest.MonkeyPatch, sabotage: Sabotage, seed: int
) -> None:
    sabotage(monkeypatch)
    for first in range(seed, seed + AT_MOST, 4):
        if any(history.broken for history in await play(built, range(first, first + 4))):
            return
    pytest.fail(f"{AT_MOST} histories from seed {seed} noticed nothing")
