"""Declared plans: which steps an operation takes, in order, and what each may cost in time.

A plan is data.  Its rows are written when the operation is accepted, its weights give the
progress, its limits become the deadlines of the activities, and what a step makes and how it is
undone decide what is removed when the operation fails.  A step's name is for people: nothing
reads a meaning out of it.

Weights are the seconds that a step is expected to take at a provider's usual speed, so that
progress is nearly linear in time.
"""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

AT_ONCE = 5
"""Steps of one stage that run at the same time, at most."""


class ResourceKind(StrEnum):
    """What a step can make at the provider that its undo, or a sweep, removes."""

    NETWORK = "network"
    CONTROL_PLANE = "control_plane"
    NODE_POOL = "node_pool"


class Undo(StrEnum):
    """What undoing a step means.

    ``REMOVE``: what it made goes; left over, it is an orphan, and swept.  ``RESTORE``: what was
    there before comes back; the resource itself lives and is never swept.  ``NONE``: nothing is
    to be done, or it goes with the step that it stands on.
    """

    REMOVE = "remove"
    RESTORE = "restore"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step: what is done (``action``), how it reads, and how long it takes in seconds.

    ``limit_seconds`` is how long it may take in all before it has failed.  ``resource_id`` and
    ``resource_name`` say what it is about, where that is not the operation's cluster as a whole.
    """

    action: str
    title: str
    expected_seconds: int
    limit_seconds: int
    resource_id: UUID | None = None
    resource_name: str | None = None
    makes: ResourceKind | None = None
    undo: Undo = Undo.NONE

    def __post_init__(self) -> None:
        if (self.undo is Undo.REMOVE) != (self.makes is not None):
            raise ValueError(f"{self.name}: what a step makes, its undo removes, and nothing else")

    @property
    def name(self) -> str:
        """Return its name, unique in the plan; a tenant reads it."""
        return f"{self.action}:{self.resource_name}" if self.resource_name else self.action


Stage = tuple[PlannedStep, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Stages, one after the other; the steps of a stage run side by side, a few at a time."""

    stages: tuple[Stage, ...] = ()

    @property
    def steps(self) -> tuple[PlannedStep, ...]:
        return tuple(step for stage in self.stages for step in stage)

    @property
    def limit_seconds(self) -> int:
        """Return how long it may take in all."""
        return sum(_rounds(stage) * max(s.limit_seconds for s in stage) for stage in self.stages)

    @property
    def expected_seconds(self) -> int:
        """Return how long it takes in all when all is well."""
        return sum(max(step.expected_seconds for step in stage) for stage in self.stages)


def _rounds(stage: Stage) -> int:
    return -(-len(stage) // AT_ONCE)


def expected_seconds(steps: list[tuple[int, int]]) -> int:
    """Return how long steps of ``(stage, seconds)`` take together."""
    longest: dict[int, int] = {}
    for stage, seconds in steps:
        longest[stage] = max(seconds, longest.get(stage, 0))
    return sum(longest.values())
