"""Steps that make, and unmake, the parts of a cluster.  Each has one effect and converges."""

from collections.abc import Awaitable, Callable

from temporalio import activity

from activities.attempts import Attempt
from activities.refusals import refusing
from activities.steps import Made, Steps
from cks.db.clusters import provisioning
from cks.db.session import Session
from cks.domain.clusters.clusters import (
    ClusterPart,
    NetworkPart,
    PoolOrder,
    PoolPart,
    SeenNode,
    Thing,
    WholePart,
)
from cks.domain.operations.plans import CONTROL_PLANE, NETWORK, NODE_POOL
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


class Provisioning:
    """Ensures, then observes until converged.  Run twice, it acts once."""

    def __init__(self, steps: Steps, provider: Provider) -> None:
        self._steps = steps
        self._provider = provider

    @activity.defn
    @refusing
    async def create_network(self, part: NetworkPart) -> None:
        async with self._steps.forward(part) as attempt:
            spec = NetworkSpec(part.cluster_id, part.version, part.pod_cidr, part.service_cidr)
            await self._provider.ensure_network(spec, attempt.fence)
            await self._until_ready(part, lambda seen: seen.network, attempt)
            await attempt.complete()

    @activity.defn
    @refusing
    async def delete_network(self, part: NetworkPart) -> None:
        async with self._steps.back(part) as undoing:
            await self._steps.remove(
                Thing(NETWORK, part.cluster_id, part.cluster_id), undoing.fence
            )

    @activity.defn
    @refusing
    async def create_control_plane(self, part: ClusterPart) -> None:
        async with self._steps.forward(part) as attempt:
            spec = ControlPlaneSpec(part.cluster_id, part.version)
            await self._provider.ensure_control_plane(spec, attempt.fence)
            seen = await self._until(
                part, lambda now: _serves(now, part.version), attempt, _control_plane
            )

            async def publish(session: Session) -> None:
                endpoint = seen.control_plane.endpoint
                await provisioning.set_endpoint(session, part.cluster_id, endpoint)

            await attempt.complete(publish)

    @activity.defn
    @refusing
    async def delete_control_plane(self, part: ClusterPart) -> None:
        """Delete it, and the add-ons that live in it."""
        async with self._steps.back(part) as undoing:
            await self._steps.remove(
                Thing(CONTROL_PLANE, part.cluster_id, part.cluster_id), undoing.fence
            )

    @activity.defn
    @refusing
    async def create_node_pool(self, part: PoolPart) -> None:
        """Ask for the pool's nodes, and tell of each that becomes ready."""
        pool = part.pool
        async with self._steps.forward(part) as attempt:
            await self._provider.ensure_node_pool(_pool_spec(part), attempt.fence)

            def made(seen: Observed) -> State:
                return seen.pools.get(pool.pool_id, ABSENT).state

            async for seen in self._steps.watch(part.cluster_id, attempt, made):
                now = seen.pools.get(pool.pool_id, ABSENT)
                if _is_full(now, pool.node_count, part.version):
                    await attempt.complete(_showing(pool, now))
                    return
                await attempt.advance(now.ready / pool.node_count, _showing(pool, now))

    @activity.defn
    @refusing
    async def delete_node_pool(self, part: PoolPart) -> None:
        pool = Thing(NODE_POOL, part.cluster_id, part.pool.pool_id)
        async with self._steps.back(part) as undoing:
            await self._steps.remove(pool, undoing.fence)

    @activity.defn
    @refusing
    async def install_add_ons(self, part: ClusterPart) -> None:
        """Install what pods need; it lives in the control plane and goes with it."""
        async with self._steps.forward(part) as attempt:
            spec = AddonsSpec(part.cluster_id, part.version)
            await self._provider.ensure_addons(spec, attempt.fence)
            await self._until_ready(part, lambda seen: seen.addons, attempt)
            await attempt.complete()

    @activity.defn
    @refusing
    async def verify_cluster(self, part: WholePart) -> None:
        """Look once more at the whole: a node may have gone while the next came."""
        async with self._steps.forward(part) as attempt:
            await self._until(part, lambda seen: _is_whole(seen, part), attempt)
            await attempt.complete()

    async def _until_ready(self, part: ClusterPart, made: Made, attempt: Attempt) -> None:
        await self._until(part, lambda seen: made(seen) is State.READY, attempt, made)

    async def _until(
        self,
        part: ClusterPart,
        so: Callable[[Observed], bool],
        attempt: Attempt,
        made: Made | None = None,
    ) -> Observed:
        """Look until it is so, and return what was seen then."""
        async for seen in self._steps.watch(part.cluster_id, attempt, made):
            if so(seen):
                return seen
        raise AssertionError("a watch has no end of its own")


def _control_plane(seen: Observed) -> State:
    return seen.control_plane.state


def _serves(seen: Observed, version: str) -> bool:
    plane = seen.control_plane
    return plane.state is State.READY and plane.version == version


def _is_full(now: PoolObserved, node_count: int, version: str) -> bool:
    as_asked = (now.desired, now.version) == (node_count, version)
    return as_asked and now.state is State.READY and now.ready == node_count


def _is_whole(seen: Observed, part: WholePart) -> bool:
    return (
        seen.network is State.READY
        and _serves(seen, part.version)
        and seen.addons is State.READY
        and all(
            _is_full(seen.pools.get(pool_id, ABSENT), node_count, part.version)
            for pool_id, node_count in part.pools
        )
    )


def _pool_spec(part: PoolPart) -> NodePoolSpec:
    pool = part.pool
    return NodePoolSpec(
        cluster_id=part.cluster_id,
        pool_id=pool.pool_id,
        name=pool.name,
        version=part.version,
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
        await provisioning.show_nodes(session, pool.pool_id, nodes)

    return write
