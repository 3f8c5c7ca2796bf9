"""The frame of every operation's run: forward, and if need be back; it knows no type.

A workflow says with which activities each action of its plan is done and undone, and what becomes
of a failure (``OnFailure``).  The frame holds the order of stages, the deadlines, the way back,
and what operators see.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from temporalio import exceptions, workflow

with workflow.unsafe.imports_passed_through():
    from activities.operations import Operations, Retreat, Settlement
    from cks.domain.operations.failures import PERMISSION_LOST, failed_at
    from cks.domain.operations.inputs import PlannedActivity, RunInput, StepInput, stages_of
    from cks.domain.operations.lifecycle import CANCELLED, Heading
    from cks.domain.operations.types import OnFailure
    from cks.domain.refusals import Superseded, TurnedBack
    from workflows.saga import (
        FAILED,
        Do,
        Stages,
        Step,
        code_of,
        heed_cancel,
        perform,
        recording,
        undisturbed,
        unwind,
    )

PAUSE, RESUME = "pause", "resume"


@dataclass(frozen=True, slots=True)
class Pair:
    """The activity that does an action, and the one that undoes it, where there is something."""

    do: Do
    undo: Do | None = None


class OperationRun:
    """One run per operation, and one more if the first was lost.

    The second finds the operation turned back, so the way back is all that it has: going
    forward and coming back are one workflow.  A run that finds the operation settled, or
    another run's, ends and touches nothing.
    """

    def __init__(
        self, given: RunInput, pairs: Mapping[str, Pair], on_failure: OnFailure = OnFailure.UNDO
    ) -> None:
        self._operation = given.operation
        self._on_failure = on_failure
        self._holds = given.holds
        self._stages: Stages = [
            [_step(given, planned, pairs[planned.action]) for planned in stage]
            for stage in stages_of(given)
        ]
        self._titles = {step.name: step.title for step in given.steps}
        self._states = {step.name: "pending" for step in given.steps}
        self._paused = False
        workflow.set_signal_handler(PAUSE, lambda: self._pause(paused=True))
        workflow.set_signal_handler(RESUME, lambda: self._pause(paused=False))

    async def carry_out(self) -> None:
        """Do all of the plan, or come back from it; return when the operation is settled."""
        try:
            await self._work()
        except exceptions.ActivityError as failure:
            if code_of(failure) != Superseded.code:
                raise
            workflow.logger.warning("the operation is settled, or another run's")

    async def _work(self) -> None:
        try:
            await self._go_forward()
            await self._settle(Heading.FORWARD)
        except (Exception, asyncio.CancelledError) as failure:
            if code_of(failure) != Superseded.code:
                await undisturbed(self._come_back(failure))
            raise

    async def _go_forward(self) -> None:
        work = perform(self._stages, self._tell, self._boundary)
        await (undisturbed(work) if self._on_failure is OnFailure.PERSIST else work)

    async def _boundary(self) -> None:
        """Between two stages: end if that was asked for, and wait for as long as it is paused."""
        self._heed_cancel()
        if self._paused:  # without it, not even a wait: so older runs replay with the same tasks
            await workflow.wait_condition(lambda: not self._paused)
            self._heed_cancel()

    def _heed_cancel(self) -> None:
        if self._on_failure is not OnFailure.PERSIST:
            heed_cancel()

    def _pause(self, *, paused: bool) -> None:
        self._paused = paused

    async def _come_back(self, failure: BaseException) -> None:
        """Hold, if that was asked for; else turn back for good, undo the plan, and settle."""
        retreat = self._retreat(failure)
        if await self._is_held(retreat):
            return
        begun = await workflow.execute_activity_method(
            Operations.turn_back, retreat, **recording("Turn back")
        )
        # All of the plan, not what this run remembers: a step that timed out may have worked, and a
        # run made by a reset does not know how far the other one got.
        if begun and self._on_failure is OnFailure.UNDO:
            await unwind(self._stages, self._tell)
        await self._settle(Heading.BACK)

    async def _is_held(self, retreat: Retreat) -> bool:
        """Say whether all that was made is kept; what is cancelled, or turned back, never is."""
        if not self._holds or retreat.step is None:
            return False
        return await workflow.execute_activity_method(
            Operations.hold_operation, retreat, **recording("Hold what was made")
        )

    async def _settle(self, heading: Heading) -> None:
        await workflow.execute_activity_method(
            Operations.settle_operation,
            Settlement(self._operation, heading),
            **recording("Settle the operation"),
        )

    def _tell(self, step: str, state: str) -> None:
        """Show operators how far the run is: a table in Temporal's UI."""
        self._states[step] = state
        rows = [f"| {self._titles[name]} | {state} |" for name, state in self._states.items()]
        workflow.set_current_details("\n".join(["| step | status |", "|---|---|", *rows]))

    def _retreat(self, failure: BaseException) -> Retreat:
        """Say why the operation turns back, and at which step."""
        if exceptions.is_cancelled_exception(failure):
            return Retreat(self._operation, CANCELLED)
        failed = next((name for name, state in self._states.items() if state == FAILED), None)
        if code_of(failure) in (TurnedBack.code, PERMISSION_LOST):
            failed = None  # it failed in another run, at a step of its own; or it never began
        title = self._titles[failed] if failed else None
        return Retreat(self._operation, failed_at(code_of(failure), title), failed)


def _step(given: RunInput, planned: PlannedActivity, pair: Pair) -> Step:
    return Step(
        name=planned.name,
        title=planned.title,
        limit=timedelta(seconds=planned.limit_seconds),
        input=StepInput(given.operation, planned.name),
        do=pair.do,
        undo=pair.undo,
    )
