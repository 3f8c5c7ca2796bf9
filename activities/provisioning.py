"""Steps that make, and unmake, the parts of a cluster.  Each has one effect and converges.

What is to be made stands in the operation's row; Temporal only says which step it is.
"""

from collections.abc import Callable

from temporalio import activity

from activities.attempts import Attempt
from activities.pools import is_as_asked, pool_in, showing
from activities.refusals import refusing
from activities.steps import Made, Steps, Undoing
from cks.db.clusters import creation
from cks.db.session import Session
from cks.domain.clusters.clusters import ProviderResource
from cks.domain.clusters.creation import CreateCluster
from cks.domain.operations.inputs import StepInput
from cks.domain.operations.plans import ResourceKind
from cks.providers.base import (
    AddonsSpec,
    ControlPlaneSpec,
    NetworkSpec,
    NodePoolSpec,
    Observed,
    Provider,
    State,
)


class Provisioning:
    """Ensures, then observes until converged.  Run twice, it acts once."""

    def __init__(self, steps: Steps, provider: Provider) -> None:
        self._steps = steps
        self._provider = provider

    @activity.defn
    @refusing
    async def create_network(self, step: StepInput) -> None:
        async with self._steps.forward(step) as attempt:
            asked = attempt.asked(CreateCluster)
            pods, services = asked.networking.pod_cidr, asked.networking.service_cidr
            spec = NetworkSpec(attempt.cluster_id, asked.version, pods, services)
            await self._provider.ensure_network(spec, attempt.fence)
            await self._until_ready(attempt, lambda seen: seen.network)
            await attempt.complete()

    @activity.defn
    @refusing
    async def delete_network(self, step: StepInput) -> None:
        async with self._steps.back(step) as undoing:
            await self._remove(ResourceKind.NETWORK, undoing)

    @activity.defn
    @refusing
    async def create_control_plane(self, step: StepInput) -> None:
        async with self._steps.forward(step) as attempt:
            version = attempt.asked(CreateCluster).version
            spec = ControlPlaneSpec(attempt.cluster_id, version)
            await self._provider.ensure_control_plane(spec, attempt.fence)
            seen = await self._until(attempt, lambda now: _serves(now, version), _control_plane)

            async def publish(session: Session) -> None:
                endpoint = seen.control_plane.endpoint
                await creation.set_endpoint(session, attempt.cluster_id, endpoint)

            await attempt.complete(publish)

    @activity.defn
    @refusing
    async def delete_control_plane(self, step: StepInput) -> None:
        """Delete it, and the add-ons that live in it."""
        async with self._steps.back(step) as undoing:
            await self._remove(ResourceKind.CONTROL_PLANE, undoing)

    @activity.defn
    @refusing
    async def create_node_pool(self, step: StepInput) -> None:
        """Ask for the pool's nodes, and report each that becomes ready."""
        async with self._steps.forward(step) as attempt:
            asked = attempt.asked(CreateCluster)
            pool = next(pool for pool in asked.node_pools if pool.id == attempt.resource_id)
            spec = NodePoolSpec(attempt.cluster_id, asked.version, pool)
            await self._provider.ensure_node_pool(spec, attempt.fence)

            def made(seen: Observed) -> State:
                return pool_in(seen, pool.id).state

            async for seen in self._steps.watch(attempt.cluster_id, attempt, made):
                now = pool_in(seen, pool.id)
                if is_as_asked(now, spec):
                    await attempt.complete(showing(pool.id, now))
                    return
                fraction = now.ready / pool.node_count if pool.node_count else 0
                await attempt.advance(fraction, showing(pool.id, now))

    @activity.defn
    @refusing
    async def delete_node_pool(self, step: StepInput) -> None:
        async with self._steps.back(step) as undoing:
            await self._remove(ResourceKind.NODE_POOL, undoing)

    @activity.defn
    @refusing
    async def install_add_ons(self, step: StepInput) -> None:
        """Install what pods need; it lives in the control plane and goes with it."""
        async with self._steps.forward(step) as attempt:
            spec = AddonsSpec(attempt.cluster_id, attempt.asked(CreateCluster).version)
            await self._provider.ensure_addons(spec, attempt.fence)
            await self._until_ready(attempt, lambda seen: seen.addons)
            await attempt.complete()

    @activity.defn
    @refusing
    async def verify_cluster(self, step: StepInput) -> None:
        """Look once more at the whole: a node may have gone while the next came."""
        async with self._steps.forward(step) as attempt:
            asked = attempt.asked(CreateCluster)
            specs = [NodePoolSpec(attempt.cluster_id, asked.version, p) for p in asked.node_pools]
            await self._until(attempt, lambda seen: _is_whole(seen, asked.version, specs))
            await attempt.complete()

    async def _until_ready(self, attempt: Attempt, made: Made) -> None:
        await self._until(attempt, lambda seen: made(seen) is State.READY, made)

    async def _until(
        self, attempt: Attempt, so: Callable[[Observed], bool], made: Made | None = None
    ) -> Observed:
        """Look until it is so, and return what was seen then."""
        async for seen in self._steps.watch(attempt.cluster_id, attempt, made):
            if so(seen):
                return seen
        raise AssertionError("a watch has no end of its own")

    async def _remove(self, kind: ResourceKind, undoing: Undoing) -> None:
        resource = ProviderResource(kind, undoing.cluster_id, undoing.resource_id)
        await self._steps.remove(resource, undoing.fence)


def _control_plane(seen: Observed) -> State:
    return seen.control_plane.state


def _serves(seen: Observed, version: str) -> bool:
    plane = seen.control_plane
    return plane.state is State.READY and plane.version == version


def _is_whole(seen: Observed, version: str, pools: list[NodePoolSpec]) -> bool:
    return (
        seen.network is State.READY
        and _serves(seen, version)
        and seen.addons is State.READY
        and all(is_as_asked(pool_in(seen, spec.pool.id), spec) for spec in pools)
    )
