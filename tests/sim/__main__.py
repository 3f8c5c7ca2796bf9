"""Play histories by seed, and tell what broke.

python -m tests.sim --seeds 1000 [--start S]
python -m tests.sim --seed 17                # tells the history
python -m tests.sim --seed 17 --only 2,5     # with these of its mishaps alone
python -m tests.sim --exam                   # by which seed each sabotage is caught
"""

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import Sequence

import pytest
from click import echo

from tests.sim import table
from tests.sim.history import History
from tests.sim.playing import play, replay
from tests.sim.sabotages import SABOTAGES
from tests.sim.shrinking import shrink
from tests.sim.stage import Stage, stage

BATCH = 100
TOLD = 5
"""How many broken histories are shortened and told."""


async def many(built: Stage, seeds: Sequence[int]) -> int:
    """Play the seeds; return how many broke something."""
    began, histories = time.perf_counter(), list[History]()
    for first in range(0, len(seeds), BATCH):
        batch = await play(built, seeds[first : first + BATCH])
        histories += batch
        for history in batch:
            if history.broken:
                echo(f"seed {history.seed}: {history.broken}")
    rate = len(seeds) / (time.perf_counter() - began)
    broken = [history for history in histories if history.broken]
    for history in broken[:TOLD]:
        tell(await shrink(built, history))
    echo("\n".join(table.draw(table.count(histories))))
    told = f"{len(seeds)} histories from seed {seeds[0]}"
    echo(f"{told}, {rate:.1f}/s; {len(broken)} violations")
    return len(broken)


async def one(built: Stage, seed: int, only: Sequence[int] | None) -> int:
    history = (await play(built, [seed]))[0] if only is None else await replay(built, seed, only)
    tell(history)
    return int(bool(history.broken))


def tell(history: History) -> None:
    """Tell a history in order, with the command that plays it again."""
    only = ",".join(str(number) for number, _ in history.inflicted)
    echo(f"\nseed {history.seed}: {history.broken or 'nothing is broken'}")
    echo(f"  python -m tests.sim --seed {history.seed} --only '{only}'")
    mishaps = ", ".join(f"{number} {name}" for number, name in history.inflicted)
    echo(f"  mishaps: {mishaps or 'none'}")
    echo("\n".join(f"  {line}" for line in history.told))


async def exam(built: Stage, most: int) -> int:
    """Tell the first seed that catches each sabotage; return how many survive."""
    survivors = 0
    for name, (sabotage, _) in SABOTAGES.items():
        with pytest.MonkeyPatch.context() as patch:
            sabotage(patch)
            caught = await first_broken(built, range(most))
        survivors += caught is None
        echo(f"{name}: {f'{caught.seed}: {caught.broken}' if caught else 'survives'}")
    return survivors


async def first_broken(built: Stage, seeds: Sequence[int], few: int = 8) -> History | None:
    """Play until something breaks."""
    for first in range(0, len(seeds), few):
        histories = await play(built, seeds[first : first + few])
        if broken := [history for history in histories if history.broken]:
            return broken[0]
    return None


async def main(asked: argparse.Namespace) -> int:
    async with stage() as built:
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)  # a seventh faster
        if asked.exam:
            return await exam(built, asked.seeds)
        if asked.seed is not None:
            only = asked.only and [int(number) for number in asked.only.split(",")]
            return await one(built, asked.seed, only if asked.only is not None else None)
        return await many(built, range(asked.start, asked.start + asked.seeds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    for option, default in (("--seeds", 100), ("--start", 0), ("--seed", None)):
        parser.add_argument(option, type=int, default=default)
    parser.add_argument("--only")
    parser.add_argument("--exam", action="store_true")
    sys.exit(min(asyncio.run(main(parser.parse_args())), 1))
