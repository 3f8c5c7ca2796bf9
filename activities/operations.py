"""Steps that move the operation itself: turned back, settled.

It is taken by whichever step acts first (``activities/steps.py``).
"""

from dataclasses import dataclass

from temporalio import activity

from activities.ownership import Ownership
from activities.refusals import refusing
from cks.db import registry
from cks.db.operations import events, operations
from cks.domain.operations import steps
from cks.domain.operations.lifecycle import (
    LIVE,
    Heading,
    OperationRef,
    OperationStatus,
    Reason,
    check_done,
)


@dataclass(frozen=True, slots=True)
class Retreat:
    """Why to turn back, and at which step it failed, if at one."""

    operation: OperationRef
    reason: Reason
    step: str | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    operation: OperationRef
    heading: Heading


class Operations:
    """Every method converges: run twice, it acts once."""

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership

    @activity.defn
    @refusing
    async def hold_operation(self, retreat: Retreat) -> bool:
        """End as failed, and keep what was made, if the row asks for that; return whether it did.

        This is decided before the operation turns back, since that is final.
        """
        async with self._ownership.of(retreat.operation, Heading.FORWARD) as (session, operation):
            if retreat.step:
                steps.fail(operation.step(retreat.step))
            return await registry.hold(session, operation, retreat.reason)

    @activity.defn
    @refusing
    async def turn_back(self, retreat: Retreat) -> bool:
        """Close the way forward.  Return whether there is anything to undo.

        Nothing was done for an operation that is still pending: the first step takes it.
        The first reason stays, and so does the step that it names.
        """
        async with self._ownership.of(retreat.operation, Heading.BACK) as (session, operation):
            turning = operation.ending is None
            await operations.turn_back(session, operation, retreat.reason)
            if retreat.step and turning:
                steps.fail(operation.step(retreat.step))
            await events.record(session, operation)
            return operation.status is OperationStatus.RUNNING

    @activity.defn
    @refusing
    async def settle_operation(self, settlement: Settlement) -> None:
        """End: the status, the claims and the resource, in one transaction."""
        ref, heading = settlement.operation, settlement.heading
        async with self._ownership.of(ref, heading, settling=True) as (session, operation):
            if operation.status in LIVE:
                check_done(heading, (step.status for step in operation.steps))
                await registry.settle(session, operation)
