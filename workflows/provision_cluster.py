"""Build a cluster from a tenant's order, or leave nothing behind."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from temporalio import exceptions, workflow

with workflow.unsafe.imports_passed_through():
    from activities.operations import Operations, Retreat, Settlement
    from activities.provisioning import Provisioning
    from cks.domain.clusters.clusters import (
        ClusterOrder,
        ClusterPart,
        NetworkPart,
        PoolPart,
        WholePart,
    )
    from cks.domain.operations.failures import PERMISSION_LOST, failed_at
    from cks.domain.operations.lifecycle import CANCELLED, Heading
    from cks.domain.operations.plans import ADD_ONS, CONTROL_PLANE, NETWORK, VERIFY, pool_step
    from cks.domain.refusals import Superseded, TurnedBack
    from workflows.saga import (
        FAILED,
        Do,
        Stages,
        Step,
        code_of,
        perform,
        recording,
        undisturbed,
        unwind,
    )


@workflow.defn
class ProvisionCluster:
    """One run per operation, and one more if the first was lost.

    The second finds the operation turned back, so the way back is all that it has: going
    forward and coming back are one workflow.  A run that finds the operation settled, or
    another run's, ends and touches nothing.
    """

    @workflow.init
    def __init__(self, order: ClusterOrder) -> None:
        self._told = {step.name: "pending" for step in order.steps}
        self._titles = {step.name: step.title for step in order.steps}

    @workflow.run
    async def run(self, order: ClusterOrder) -> None:
        try:
            await self._build(order, stages_of(order))
        except exceptions.ActivityError as failure:
            if code_of(failure) != Superseded.code:
                raise
            workflow.logger.warning("the operation is settled, or another run's")

    async def _build(self, order: ClusterOrder, stages: Stages) -> None:
        try:
            await perform(stages, self._tell)
            await self._settle(order, Heading.FORWARD)
        except (Exception, asyncio.CancelledError) as failure:
            if code_of(failure) != Superseded.code:
                await undisturbed(self._come_back(order, stages, failure))
            raise

    async def _come_back(self, order: ClusterOrder, stages: Stages, failure: BaseException) -> None:
        if await workflow.execute_activity_method(
            Operations.turn_back, self._retreat(order, failure), **recording("Turn back")
        ):
            await unwind(stages, self._tell)
        await self._settle(order, Heading.BACK)

    async def _settle(self, order: ClusterOrder, heading: Heading) -> None:
        await workflow.execute_activity_method(
            Operations.settle_operation,
            Settlement(order.operation, heading),
            **recording("Settle the operation"),
        )

    def _tell(self, step: str, status: str) -> None:
        """Show operators how far the run is: a table in Temporal's UI."""
        self._told[step] = status
        rows = [f"| {self._titles[name]} | {state} |" for name, state in self._told.items()]
        workflow.set_current_details("\n".join(["| step | status |", "|---|---|", *rows]))

    def _retreat(self, order: ClusterOrder, failure: BaseException) -> Retreat:
        """Say why the operation turns back, and at which step."""
        if exceptions.is_cancelled_exception(failure):
            return Retreat(order.operation, CANCELLED)
        failed = next((name for name, state in self._told.items() if state == FAILED), None)
        if code_of(failure) in (TurnedBack.code, PERMISSION_LOST):
            failed = None  # it failed in another run, at a step of its own; or it never began
        title = self._titles[failed] if failed else None
        return Retreat(order.operation, failed_at(code_of(failure), title), failed)


def stages_of(order: ClusterOrder) -> Stages:
    """Return the plan: network, control plane, the pools side by side, add-ons, verification."""
    planned = {step.name: step for step in order.steps}

    def step(
        kind: Callable[..., ClusterPart], name: str, do: Do, undo: Do | None, *more: object
    ) -> Step:
        limit = planned[name].limit_seconds
        part = kind(order.operation, name, limit, order.cluster_id, order.version, *more)
        return Step(name, planned[name].title, timedelta(seconds=limit), part, do, undo)

    act = Provisioning
    ranges = order.pod_cidr, order.service_cidr
    sizes = tuple((pool.pool_id, pool.node_count) for pool in order.pools)
    pools = [
        step(PoolPart, pool_step(pool.name), act.create_node_pool, act.delete_node_pool, pool)
        for pool in order.pools
    ]
    plane = act.create_control_plane, act.delete_control_plane
    return (
        [step(NetworkPart, NETWORK, act.create_network, act.delete_network, *ranges)],
        [step(ClusterPart, CONTROL_PLANE, *plane)],
        pools,
        [step(ClusterPart, ADD_ONS, act.install_add_ons, None)],
        [step(WholePart, VERIFY, act.verify_cluster, None, sizes)],
    )
