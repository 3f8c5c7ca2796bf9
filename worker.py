"""One Temporal worker: builds the activities, registers the workflows, keeps the schedules.

The only place that knows every part.  It refuses to start as a login that could do more than
its work needs, waits for servers that are away, and ends within seconds when asked to.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import workflow
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleSpec,
)
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    VersioningBehavior,
    WorkerDeploymentVersion,
)
from temporalio.envconfig import ClientConnectConfig
from temporalio.worker import (
    PollerBehaviorAutoscaling,
    Worker,
    WorkerDeploymentConfig,
    WorkflowInstance,
    WorkflowInstanceDetails,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.expiring import Expiring
from activities.logged import Logged
from activities.node_pools import NodePools
from activities.operations import Operations
from activities.ownership import Ownership
from activities.provisioning import Provisioning
from activities.steps import Steps, StepTiming
from activities.sweeping import Sweeping
from cks import logs, settings
from cks.db.connections import WrongRole, check_role, is_away
from cks.db.dispatch import Dispatch
from cks.db.session import Database
from cks.domain.retention import ExpiryOrder
from cks.logs import Format, Level
from cks.loop import Loop
from cks.process import leave
from cks.providers.base import Provider
from cks.providers.simulated.client import SimulatedCloud
from cks.settings import Settings
from cks.temporal import connection
from cks.temporal.engine import OPERATION_TYPE, Temporal
from cks.temporal.schedules import ensure_schedule
from workflows.expire_records import ExpireRecords
from workflows.provision_cluster import ProvisionCluster
from workflows.sweep_orphans import SweepOrphans
from workflows.update_node_pool import UpdateNodePool

WORKFLOWS = (ProvisionCluster, UpdateNodePool, SweepOrphans, ExpireRecords)
DECLARED = "__temporal_activity_definition"
"""How the SDK marks what ``activity.defn`` declares."""
RETENTION = "retention"
EVERY_HOUR = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(hours=1))])
SCHEDULES_SECONDS = 60.0
"""How often a worker sees to the schedules: Temporal's store may be lost."""
log = logging.getLogger("cks.worker")


class Sandbox(SandboxedWorkflowRunner):
    """The SDK's sandbox, which is not entered anew for every payload, six times.

    Its instances are asked whose each payload is, for converters that depend on it.  Ours do
    not, and the asking was a sixth of a worker's work (docs/performance.md).
    """

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        instance = super().create_instance(det)
        instance.get_serialization_context = _no_context  # type: ignore[method-assign,assignment]
        return instance


def _no_context(_: object) -> None:
    return None


# A workflow file that forgets to pass an import through costs about 20 MB and two seconds
# *per run*.  Refuse to start instead.
STRICT_SANDBOX = Sandbox(
    restrictions=SandboxRestrictions.default.with_import_notification_policy(
        workflow.SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
    )
)


def build_worker(
    client: Client, database: Database, dispatch: Dispatch, provider: Provider, given: Settings
) -> Worker:
    """Wire a worker; the caller runs it and closes what it lent."""
    ownership = Ownership(database, Temporal(client, given.task_queue))
    timing = StepTiming(given.poll_seconds, given.step_budget_seconds)
    steps = Steps(ownership, provider, timing)
    owners = (
        Operations(ownership),
        Provisioning(steps, provider),
        NodePools(steps, provider),
        Sweeping(database, steps),
        Expiring(database, dispatch, given.retention),
    )
    return Worker(
        client,
        task_queue=given.task_queue,
        workflows=WORKFLOWS,
        activities=[act for owner in owners for act in activities_of(owner)],
        workflow_runner=STRICT_SANDBOX,
        interceptors=[Logged()],
        deployment_config=_deployment(given.build_id),
        max_concurrent_activities=200,
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        # A cancel travels on a heartbeat; by default these wait up to four seconds.
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        # How long a killed worker's runs wait for it before another takes them.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
        graceful_shutdown_timeout=timedelta(seconds=5),
    )


def activities_of(owner: object) -> list[Callable[..., Any]]:
    """Return the methods of an object that are declared as activities."""
    methods = (getattr(owner, name) for name in dir(type(owner)))
    return [method for method in methods if hasattr(method, DECLARED)]


def _deployment(build_id: str) -> WorkerDeploymentConfig | None:
    """Pin runs to the build that began them; without a build id, any worker may take them."""
    if not build_id:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name="cks", build_id=build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


async def serve(given: Settings, profile: ClientConnectConfig) -> None:
    """Work until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    database = Database(given.app_database_url, given.pool_size, pooled=given.pooled)
    dispatch = Dispatch(given.dispatch_database_url, pooled=given.pooled)
    provider = SimulatedCloud(given.simulator_url, given.provider_timeout_seconds)
    try:
        work = asyncio.create_task(_work(profile, database, dispatch, provider, given))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait((work, stopped), return_when=asyncio.FIRST_COMPLETED)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
    finally:
        await provider.close()
        await dispatch.close()
        await database.close()


async def _work(
    profile: ClientConnectConfig,
    database: Database,
    dispatch: Dispatch,
    provider: Provider,
    given: Settings,
) -> None:
    await _until_answered(database)
    client = await _connected(profile)
    async with build_worker(client, database, dispatch, provider, given):
        log.info("working on task queue %s", given.task_queue)
        wanted = retention_schedule(given.task_queue)
        ensure = partial(ensure_schedule, client, RETENTION, wanted)
        await Loop("schedules", SCHEDULES_SECONDS, ensure).run()


def retention_schedule(task_queue: str) -> Schedule:
    """Return the schedule that lets old records go; while one run lasts, no other is started."""
    said = TypedSearchAttributes([SearchAttributePair(OPERATION_TYPE, "records.expire")])
    run = ScheduleActionStartWorkflow(
        ExpireRecords.run,
        ExpiryOrder(),
        id=RETENTION,
        task_queue=task_queue,
        typed_search_attributes=said,
        static_summary="Delete what has been kept for long enough",
    )
    return Schedule(action=run, spec=EVERY_HOUR)


async def _until_answered(database: Database) -> None:
    while True:
        try:
            await check_role(database.engine)
        except Exception as error:
            if not is_away(error):
                raise
            log.warning("the database does not answer: %s", error)
            await asyncio.sleep(1)
        else:
            return


async def _connected(profile: ClientConnectConfig) -> Client:
    """Return a connected client, however long the server stays away."""
    while True:
        try:
            return await Client.connect(**profile)
        except RuntimeError as error:
            log.warning("Temporal does not answer: %s", error)
            await asyncio.sleep(1)


def main() -> int:
    logs.configure(Level.INFO, Format.JSON)  # until the settings say otherwise
    try:
        given = settings.load()
        logs.configure(given.log_level, given.log_format)
        asyncio.run(serve(given, connection.read(os.environ)))
    except (WrongRole, ValueError) as error:
        log.error("%s", error)  # noqa: TRY400  (an answer, not a bug: no trace)
        return 1
    return 0


if __name__ == "__main__":
    leave(main())
