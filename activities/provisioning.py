"""Steps that make, and unmake, the parts of a cluster.  Each has one effect and converges."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from temporalio import activity

from activities.refusals import refusing
from activities.steps import Attempt, Steps
from cks.db import building
from cks.db.session import Session
from cks.domain.clusters import ClusterOrder, PoolOrder, SeenNode
from cks.domain.plans import ADD_ONS, CONTROL_PLANE, NETWORK, VERIFY, pool_step
from cks.providers.base import (
    AddonsSpec,
    ControlPlaneSpec,
    NetworkSpec,
    NodePoolSpec,
    Observed,
    PoolObserved,
    Provider,
    State,
)

ABSENT = PoolObserved(State.ABSENT, "", 0, ())


@dataclass(frozen=True, slots=True)
class PoolStep:
    """The step of one pool of an order."""

    order: ClusterOrder
    pool_id: UUID


class Provisioning:
    """Ensures, then observes until converged.  Run twice, it acts once."""

    def __init__(self, steps: Steps, provider: Provider) -> None:
        self._steps = steps
        self._provider = provider

    @activity.defn
    @refusing
    async def create_network(self, order: ClusterOrder) -> None:
        async with self._steps.forward(order.operation, NETWORK) as attempt:
            spec = NetworkSpec(order.cluster_id, order.version, order.pod_cidr, order.service_cidr)
            await self._provider.ensure_network(spec, attempt.fence)
            await self._until(order, lambda seen: seen.network is State.READY, attempt)
            await attempt.complete()

    @activity.defn
    @refusing
    async def delete_network(self, order: ClusterOrder) -> None:
        async with self._steps.back(order.operation, NETWORK) as undoing:
            await self._provider.delete_network(order.cluster_id, undoing.fence)
            await self._until(order, lambda seen: seen.network is State.ABSENT)

    @activity.defn
    @refusing
    async def create_control_plane(self, order: ClusterOrder) -> None:
        async with self._steps.forward(order.operation, CONTROL_PLANE) as attempt:
            spec = ControlPlaneSpec(order.cluster_id, order.version)
            await self._provider.ensure_control_plane(spec, attempt.fence)
            seen = await self._until(order, lambda seen: _serves(seen, order.version), attempt)

            async def publish(session: Session) -> None:
                endpoint = seen.control_plane.endpoint
                await building.set_endpoint(session, order.cluster_id, endpoint)

            await attempt.complete(publish)

    @activity.defn
    @refusing
    async def delete_control_plane(self, order: ClusterOrder) -> None:
        """Delete it, and the add-ons that live in it."""
        async with self._steps.back(order.operation, CONTROL_PLANE) as undoing:
            await self._provider.delete_control_plane(order.cluster_id, undoing.fence)
            await self._until(order, lambda seen: seen.control_plane.state is State.ABSENT)

    @activity.defn
    @refusing
    async def create_node_pool(self, step: PoolStep) -> None:
        """Ask for the pool's nodes, and tell of each that becomes ready."""
        order, pool = step.order, step.order.pool(step.pool_id)
        async with self._steps.forward(order.operation, pool_step(pool.name)) as attempt:
            await self._provider.ensure_node_pool(_pool_spec(order, pool), attempt.fence)
            async for seen in self._steps.watch(order.cluster_id, attempt):
                now = seen.pools.get(pool.pool_id, ABSENT)
                if _is_full(now, pool, order.version):
                    await attempt.complete(_showing(pool, now))
                    return
                await attempt.advance(now.ready / pool.node_count, _showing(pool, now))

    @activity.defn
    @refusing
    async def delete_node_pool(self, step: PoolStep) -> None:
        order, pool = step.order, step.order.pool(step.pool_id)
        async with self._steps.back(order.operation, pool_step(pool.name)) as undoing:
            await self._provider.delete_node_pool(order.cluster_id, pool.pool_id, undoing.fence)
            await self._until(
                order, lambda seen: seen.pools.get(pool.pool_id, ABSENT).state is State.ABSENT
            )

    @activity.defn
    @refusing
    async def install_add_ons(self, order: ClusterOrder) -> None:
        """Install what pods need; it lives in the control plane and goes with it."""
        async with self._steps.forward(order.operation, ADD_ONS) as attempt:
            spec = AddonsSpec(order.cluster_id, order.version)
            await self._provider.ensure_addons(spec, attempt.fence)
            await self._until(order, lambda seen: seen.addons is State.READY, attempt)
            await attempt.complete()

    @activity.defn
    @refusing
    async def verify_cluster(self, order: ClusterOrder) -> None:
        """Look once more at the whole: a node may have gone while the next came."""
        async with self._steps.forward(order.operation, VERIFY) as attempt:
            await self._until(order, lambda seen: _is_whole(seen, order), attempt)
            await attempt.complete()

    async def _until(
        self,
        order: ClusterOrder,
        so: Callable[[Observed], bool],
        attempt: Attempt | None = None,
    ) -> Observed:
        """Look until it is so, and return what was seen then."""
        async for seen in self._steps.watch(order.cluster_id, attempt):
            if so(seen):
                return seen
        raise AssertionError("a watch has no end of its own")


def _serves(seen: Observed, version: str) -> bool:
    plane = seen.control_plane
    return plane.state is State.READY and plane.version == version


def _is_full(now: PoolObserved, pool: PoolOrder, version: str) -> bool:
    as_asked = (now.desired, now.version) == (pool.node_count, version)
    return as_asked and now.state is State.READY and now.ready == pool.node_count


def _is_whole(seen: Observed, order: ClusterOrder) -> bool:
    return (
        seen.network is State.READY
        and _serves(seen, order.version)
        and seen.addons is State.READY
        and all(
            _is_full(seen.pools.get(pool.pool_id, ABSENT), pool, order.version)
            for pool in order.pools
        )
    )


def _pool_spec(order: ClusterOrder, pool: PoolOrder) -> NodePoolSpec:
    return NodePoolSpec(
        cluster_id=order.cluster_id,
        pool_id=pool.pool_id,
        name=pool.name,
        version=order.version,
        node_count=pool.node_count,
        instance_type=pool.instance_type,
        disk_size=pool.disk_size,
        labels=pool.labels,
        taints=pool.taints,
    )


def _showing(pool: PoolOrder, now: PoolObserved) -> Callable[[Session], Awaitable[None]]:
    """Return the write that shows a pool's nodes as they were seen."""
    nodes = [SeenNode(node.id, node.name, node.state, node.version) for node in now.nodes]

    async def write(session: Session) -> None:
        await building.show_nodes(session, pool.pool_id, nodes)

    return write
