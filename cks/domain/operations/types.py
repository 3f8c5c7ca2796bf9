"""An operation type: one declaration, from which all that is general takes what it needs.

Relay, reconciler, deadlines, sweeps, permissions, claims, cancels and the list of types know
types from here and from the registry (``cks/domain/registry.py``) alone; none knows one by name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from cks.domain.access.permissions import Scope
from cks.domain.operations.lifecycle import CancelEffect
from cks.domain.operations.plans import Plan

ResourceType = Literal["cluster", "node_pool", "node", "namespace", "billing_period"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What an operation is about; a cluster's own operation has ``id == cluster_id``."""

    type: ResourceType
    id: UUID
    name: str
    cluster_id: UUID | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A resource that an operation holds while it lives: alone, or shared with other readers."""

    resource_id: UUID
    shared: bool = False


def alone(subject: Subject) -> tuple[Claim, ...]:
    """Hold the subject itself."""
    return (Claim(subject.id),)


def inside_cluster(subject: Subject) -> tuple[Claim, ...]:
    """Hold the subject, and keep operations on its whole cluster waiting; the cluster first."""
    if subject.cluster_id is None:
        raise ValueError(f"a {subject.type} outside of a cluster")
    return Claim(subject.cluster_id, shared=True), Claim(subject.id)


class OnFailure(StrEnum):
    """What becomes of an operation whose step failed for good, or that is cancelled.

    ``UNDO``: the whole plan is undone, last first.  ``STOP``: it stops after the steps that run,
    and keeps what is so.  ``PERSIST``: it goes only forward, hears no cancel, and tries until
    its deadline.
    """

    UNDO = "undo"
    STOP = "stop"
    PERSIST = "persist"

    @property
    def cancel_effect(self) -> CancelEffect:
        """Return what a cancel would do, in the contract's word."""
        return EFFECTS[self]


EFFECTS: dict[OnFailure, CancelEffect] = {
    OnFailure.UNDO: "rolls_back",
    OnFailure.STOP: "stops_at_boundary",
    OnFailure.PERSIST: "none",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationType:
    """A kind of change.

    ``request`` is the type of what is asked for: a frozen dataclass, kept as JSON in the
    operation's row, from which ``plan`` makes the steps and every activity reads its input.
    ``permission`` is what its actor needs, held in ``scope``, when it is asked for and again
    when it begins.  ``workflow`` is the name under which a worker knows its run; ``None``: it
    completes in the request's own transaction.  ``summary`` is what operators read in Temporal;
    ``{name}`` stands for the resource's name.
    """

    name: str
    resource_type: ResourceType
    request: type[Any]
    plan: Callable[[Any], Plan]
    permission: str
    scope: Scope
    workflow: str | None
    summary: str
    claims: Callable[[Subject], tuple[Claim, ...]] = alone
    on_failure: OnFailure = OnFailure.UNDO


def by_name(types: tuple[OperationType, ...]) -> dict[str, OperationType]:
    """Return types under their names; raise ``ValueError`` for one that is registered twice."""
    found = {one.name: one for one in types}
    if len(found) != len(types):
        twice = {one.name for one in types if types.count(one) > 1 or found[one.name] is not one}
        raise ValueError(f"operation types registered twice: {', '.join(sorted(twice))}")
    return found
