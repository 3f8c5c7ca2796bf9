"""The part of Temporal, played: a server and a worker without a clock or a network.

It hands activations to the SDK's own workflow instance and obeys the commands that come
back; who plays decides which attempt of an activity goes on.  The instance is private
(``temporalio.worker._workflow_instance``): this holds for the pinned SDK only.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from temporalio import activity, exceptions, workflow
from temporalio.api.common.v1 import Payloads
from temporalio.bridge.proto.activity_result import ActivityResolution
from temporalio.bridge.proto.workflow_activation import (
    CancelWorkflow,
    InitializeWorkflow,
    RemoveFromCache,
    ResolveActivity,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_commands import (
    ActivityCancellationType,
    ScheduleActivity,
    WorkflowCommand,
)
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import DefaultFailureConverter, PayloadConverter
from temporalio.testing import ActivityEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner
from temporalio.worker._workflow_instance import WorkflowInstance, WorkflowInstanceDetails

from tests.sim.gates import Attempt, Broken

CONVERTER = PayloadConverter.default
BLANK: dict[str, Any] = {f.name: None for f in fields(workflow.Info)} | {
    "namespace": "played",
    "task_queue": "played",
}
Log = list[tuple[WorkflowActivation, list[WorkflowCommand]]]
Methods = dict[str, Callable[..., Any]]


@dataclass(eq=False)
class Pending:
    """An activity as the server sees it: scheduled, and not yet resolved."""

    command: ScheduleActivity
    tries: int = 0
    attempt: Attempt | None = None
    cancelling: bool = False

    @property
    def name(self) -> str:
        return self.command.activity_type

    @property
    def key(self) -> tuple[str, bytes]:
        """Say which activity this is, in whichever run."""
        return self.name, b"".join(each.data for each in self.command.arguments)

    @property
    def hears_cancel(self) -> bool:
        return self.cancelling and self.command.HasField("heartbeat_timeout")

    @property
    def has_deadline(self) -> bool:
        """Say whether the step fails when it takes too long, with all its tries."""
        return self.command.HasField("schedule_to_close_timeout")


@dataclass(eq=False)
class Execution:
    """One run: its history, and the instance that a worker keeps of it.

    ``held`` is what the server has for the next workflow task, which nobody took yet;
    ``strays`` are the attempts of activities that the run did not wait for.  It was ``hasty``
    if it turned back before its steps had ended.
    """

    definition: type
    workflow_id: str
    id: str
    log: Log = field(default_factory=list)
    held: list[WorkflowActivationJob] = field(default_factory=list)
    pending: dict[int, Pending] = field(default_factory=dict)
    strays: list[Attempt] = field(default_factory=list)
    hasty: bool = False
    closed: bool = False
    ending: str | None = None
    instance: WorkflowInstance = field(init=False)

    def __post_init__(self) -> None:
        self.instance = self._new_instance()

    def _new_instance(self) -> WorkflowInstance:
        info = BLANK | {"run_id": self.id, "workflow_id": self.workflow_id}
        return UnsandboxedWorkflowRunner().create_instance(
            WorkflowInstanceDetails(
                payload_converter_factory=lambda: CONVERTER,
                failure_converter_class=DefaultFailureConverter,
                interceptor_classes=[],
                defn=workflow._Definition.must_from_class(self.definition),
                info=workflow.Info(**info),
                randomness_seed=0,
                extern_functions={},
                disable_eager_activity_execution=True,
                worker_level_failure_exception_types=[],
                patch_activation_callback=None,
                last_completion_result=Payloads(),
                last_failure=None,
            )
        )

    def begin(self, argument: object) -> None:
        payloads = CONVERTER.to_payloads([argument])
        self.hold(initialize_workflow=InitializeWorkflow(arguments=payloads))

    def hold(self, **job: Any) -> None:
        """Keep something for the next workflow task."""
        self.held.append(WorkflowActivationJob(**job))

    def flush(self) -> None:
        """Let the worker take the workflow task."""
        if self.held:
            jobs, self.held = self.held, []
            self._apply(WorkflowActivation(jobs=jobs))

    def _apply(self, activation: WorkflowActivation) -> list[WorkflowCommand]:
        activation.run_id = self.id
        completion = self._step(activation)
        if completion.HasField("failed"):
            raise Broken(f"a workflow task failed: {completion.failed.failure.message}")
        commands = list(completion.successful.commands)
        self.log.append((activation, commands))
        for job in activation.jobs:
            self.pending.pop(job.resolve_activity.seq, None)
        for command in commands:
            self._obey(command)
        return commands

    def _obey(self, command: WorkflowCommand) -> None:
        match command.WhichOneof("variant"):
            case "schedule_activity":
                scheduled = command.schedule_activity
                self.hasty |= scheduled.activity_type == "turn_back" and bool(self.pending)
                self.pending[scheduled.seq] = Pending(scheduled)
            case "request_cancel_activity":
                if pending := self.pending.get(command.request_cancel_activity.seq):
                    self._request_cancel(pending)
            case _ if self.pending:
                raise Broken("a run ended before its activities")
            case ending:
                self.closed, self.ending = True, ending

    def _request_cancel(self, pending: Pending) -> None:
        """Tell the activity; a run that does not wait for it hears at once that it is over."""
        pending.cancelling = True
        waits = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
        if pending.command.cancellation_type != waits:
            self.strays += [pending.attempt] if pending.attempt else []
            seq, gone = pending.command.seq, exceptions.CancelledError("not waited for")
            del self.pending[seq]
            self.hold(resolve_activity=ResolveActivity(seq=seq, result=_resolution(pending, gone)))

    def cancel(self) -> None:
        self.hold(cancel_workflow=CancelWorkflow())
        self.flush()

    def close(self) -> None:
        """Drop it, as a worker does when the server tells it to."""
        self.closed = True
        self.pending.clear()
        job = WorkflowActivationJob(remove_from_cache=RemoveFromCache())
        self._step(WorkflowActivation(run_id=self.id, jobs=[job]))

    def _step(self, activation: WorkflowActivation) -> WorkflowActivationCompletion:
        """Activate in this thread, and give it back the loop that it was running."""
        loop = asyncio.get_running_loop()
        try:
            return self.instance.activate(activation)
        finally:
            asyncio._set_running_loop(loop)

    def replay(self, history: "Execution", length: int) -> None:
        """Follow another run's history, and do as it did."""
        for activation, commands in history.log[:length]:
            copy = WorkflowActivation()
            copy.CopyFrom(activation)
            copy.is_replaying = True
            if self._apply(copy) != commands:
                raise Broken("a replay gave other commands")

    def resolve(self, pending: Pending, outcome: object, *, later: bool = False) -> None:
        """Hand an activity's result, or its exception, to the workflow."""
        seq = pending.command.seq
        self.pending.pop(seq, None)
        self.hold(resolve_activity=ResolveActivity(seq=seq, result=_resolution(pending, outcome)))
        if not later:
            self.flush()

    def fail(self, pending: Pending, cause: BaseException, *, later: bool = False) -> None:
        """End a try: there will be another one, unless nothing would come of it."""
        pending.attempt = None
        most = pending.command.retry_policy.maximum_attempts
        final = getattr(cause, "non_retryable", False) or pending.cancelling
        if final or 0 < most <= pending.tries:
            self.resolve(pending, cause, later=later)

    async def try_activity(self, pending: Pending, methods: Methods) -> None:
        """Send the activity to a worker, up to its first gate."""
        pending.tries += 1
        method = methods[pending.name]
        types = activity._Definition.must_from_callable(method).arg_types
        [argument] = CONVERTER.from_payloads(pending.command.arguments, types)
        environment = ActivityEnvironment()
        environment.info = replace(
            environment.info,
            workflow_id=self.workflow_id,
            workflow_run_id=self.id,
            attempt=pending.tries,
        )
        pending.attempt = Attempt(pending.name, environment)
        await pending.attempt.run(method, argument)


def _resolution(pending: Pending, outcome: object) -> ActivityResolution:
    resolution = ActivityResolution()
    if isinstance(outcome, BaseException):
        cancelled = isinstance(outcome, exceptions.CancelledError)
        end = resolution.cancelled if cancelled else resolution.failed
        error = _activity_error(pending, outcome)
        DefaultFailureConverter().to_failure(error, CONVERTER, end.failure)
    else:
        [payload] = CONVERTER.to_payloads([outcome])
        resolution.completed.result.CopyFrom(payload)
    return resolution


def _activity_error(pending: Pending, cause: BaseException) -> exceptions.ActivityError:
    error = exceptions.ActivityError(
        "activity failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="",
        activity_type=pending.name,
        activity_id="",
        retry_state=None,
    )
    error.__cause__ = cause
    return error
