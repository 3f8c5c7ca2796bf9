"""Where a mishap can strike: at which step, before its effect, after it, or its reply lost."""

import random
from collections.abc import Callable, Iterator

from tests.sim.mishaps import MISHAPS, Mishap
from tests.sim.tale import AFTER, BEFORE, END, ENSURING, LOST, MAKING, START, STEPS

NAMED: dict[str, Mishap] = {mishap.__name__: mishap for mishap in MISHAPS}
RECORDING = ("turn_back", "settle_operation")
ROWS = (
    (START, BEFORE),
    (START, AFTER),
    (START, LOST),
    *((step, moment) for step in STEPS for moment in (BEFORE, AFTER, LOST)),
    (END, AFTER),
)
Cell = tuple[str, str, str]

IMPOSSIBLE: dict[str, Callable[[str, str, str], bool]] = {
    "nothing is under way there that could fail": lambda step, _, kind: (
        step in (START, END) and kind in ("error", "lost_reply", "timeout")
    ),
    "only what asks for something can be refused for want of room": (
        lambda step, _, kind: kind == "no_room" and step not in ENSURING
    ),
    "only what is asked for on the way forward fails for good": (
        lambda step, _, kind: kind == "fails_for_good" and step not in MAKING
    ),
    "it is asked for once, and then has its effect": lambda _, moment, kind: (
        kind in ("no_room", "fails_for_good") and moment == AFTER
    ),
    "its only request is its effect, so none is left to fail": lambda step, moment, kind: (
        kind == "error" and moment == AFTER and step in (*RECORDING, "verify_cluster")
    ),
    "its only reply comes after its effect": lambda step, moment, kind: (
        kind == "lost_reply" and moment != AFTER and step in RECORDING
    ),
    "only a step forward has a deadline of its own": lambda step, _, kind: (
        kind == "deadline" and step not in (*MAKING, "verify_cluster")
    ),
    "there is no run to be ended, reset, lost or cancelled": lambda step, moment, kind: (
        step == START
        and moment == BEFORE
        and kind
        in ("operator_cancel", "second_cancel", "worker_death", "terminate", "reset", "store_loss")
    ),
    "only what goes on for an operation can be paused until its time is up": (
        lambda step, moment, kind: (
            kind == "paused_for_good"
            and (step in (END, "sweep_orphan") or (step, moment) == (START, BEFORE))
        )
    ),
    "it has ended by then": lambda step, moment, kind: (
        kind == "paused_for_good" and step == "settle_operation" and moment != BEFORE
    ),
    "the run has ended": lambda step, _, kind: (
        step == END and kind in ("operator_cancel", "second_cancel", "worker_death", "terminate")
    ),
}
"""Reason → which cells of the table can have no history."""


def reason(cell: Cell) -> str | None:
    """Return why nothing can be in this cell, or ``None`` if something should be."""
    return next((why for why, holds in IMPOSSIBLE.items() if holds(*cell)), None)


def every() -> Iterator[Cell]:
    return ((step, moment, name) for step, moment in ROWS for name in NAMED)


AIMS = [cell for cell in every() if not reason(cell)]
"""The cells that histories aim at, in no order: the first hundred seeds go everywhere."""
random.Random(0).shuffle(AIMS)  # noqa: S311  (to be foreseen)
