"""Inputs of runs and activities: the operation and the step, and nothing else that matters.

Whoever can start a run could write anything into it, and a reset replays what its predecessor
was told.  So clusters, pools, sizes and versions come from the operation's row, which each
activity locks (``activities/ownership.py``).
"""

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from cks.domain.operations.lifecycle import OperationRef

HOLD = "hold"
"""A request's ``on_failure`` that keeps what was made."""


@dataclass(frozen=True, slots=True)
class PlannedActivity:
    """A step as a run needs it: in which stage it is, what is done, and for how long at most.

    Runs that were started before revision 0016 have neither stage nor action in their input:
    see ``stages_of``.
    """

    name: str
    title: str
    limit_seconds: int
    stage: int | None = None
    action: str = ""


@dataclass(frozen=True, slots=True)
class RunInput:
    """The input of every workflow that carries out an operation: the steps of its plan.

    ``holds``: when it fails, the row is asked whether what was made is kept.
    """

    operation: OperationRef
    steps: tuple[PlannedActivity, ...]
    holds: bool = False


@dataclass(frozen=True, slots=True)
class StepInput:
    """The input of every step's activities: the operation, and the step's name in its plan."""

    operation: OperationRef
    step: str


@dataclass(frozen=True, slots=True)
class OrphanInput:
    """The step whose leftovers are to be removed, and its stage.

    Sweeps that were started before revision 0016 have no stage; the kind in ``thing`` tells.
    """

    step: str
    stage: int | None = None
    thing: dict[str, Any] | None = None

    @property
    def group(self) -> object:
        """Return what its neighbours that may go at the same time have, too."""
        return self.stage if self.thing is None else self.thing["kind"]


@dataclass(frozen=True, slots=True)
class SweepInput:
    """What an operation that has ended left behind, the last made first."""

    operation: OperationRef
    orphans: tuple[OrphanInput, ...]


def stages_of(run: RunInput) -> list[list[PlannedActivity]]:
    """Return the steps by stage.

    What was accepted before revision 0016 had one stage for each action; the name began with it.
    """
    steps = [step if step.action else _former(step) for step in run.steps]
    return [list(stage) for _, stage in groupby(steps, _group)]


def _group(step: PlannedActivity) -> object:
    # 0 is a stage, too.
    return step.action if step.stage is None else step.stage


def _former(step: PlannedActivity) -> PlannedActivity:
    return replace(step, action=step.name.partition(":")[0])
