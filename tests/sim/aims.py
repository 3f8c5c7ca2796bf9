"""How a history gets to the place where its seed wants it to be struck."""

import random

from tests.sim.cells import Cell
from tests.sim.tale import AFTER, BACK, BEFORE, END, LOST, START, Tale

SWEEP, SETTLE = "sweep_orphan", "settle_operation"
OPENERS = ("cancel", "operator_cancel", "fails_for_good", "terminate", "deadline")
BEST_OPENERS = {"cancel": "operator_cancel", "operator_cancel": "cancel", "relay_death": "cancel"}
"""Mishap → what had better send the operation back, so that it can still strike later."""


def next_mishap(tale: Tale, aim: Cell, rng: random.Random) -> str | None:
    """Return what should strike now, so that ``aim`` is hit now or later; ``None`` to wait."""
    step, moment, kind = aim
    here = {(at, when) for _, at, when in tale.scene()}
    if (step, moment) in here:
        return _prepared(tale, kind)
    if step == START:
        return "relay_death" if moment == LOST and (START, BEFORE) in here else None
    if moment == LOST and (step, AFTER) in here:
        return rng.choice(("lost_reply", "timeout"))
    return _opener(tale, aim, rng)


def _prepared(tale: Tale, kind: str) -> str:
    """Return the mishap, or the one that must come before it."""
    if kind == "second_cancel" and tale.front and tale.front[-1].id not in tale.cancelled:
        return "operator_cancel"
    if kind == "relay_death" and tale.runs and not (tale.cancel_wanted or tale.start_lost):
        return "cancel"
    return kind


def _opener(tale: Tale, aim: Cell, rng: random.Random) -> str | None:
    """Return what sends an operation back, or leaves it with orphans, where that is wanted."""
    step, _, kind = aim
    wanted = step in (*BACK, SWEEP) or (step in (SETTLE, END) and kind in BEST_OPENERS)
    if not wanted or not tale.running or rng.random() > 0.1:
        return None
    if not any(name in (*BACK, SETTLE) for _, name, _ in tale.scene()):
        return BEST_OPENERS.get(kind) or rng.choice(OPENERS)
    return "time_up" if step == SWEEP else None
