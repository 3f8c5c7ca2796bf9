"""Steps that change a living node pool.  Each has one effect and converges."""

from temporalio import activity

from activities.attempts import Attempt
from activities.pools import is_as_asked, pool_in, showing
from activities.refusals import refusing
from activities.steps import Steps
from cks.domain.clusters.pool_update import UpdateNodePool
from cks.domain.operations.inputs import StepInput
from cks.providers.base import NodePoolSpec, Observed, Provider, State


class NodePools:
    """Ensures, then observes until converged.  Run twice, it acts once."""

    def __init__(self, steps: Steps, provider: Provider) -> None:
        self._steps = steps
        self._provider = provider

    @activity.defn
    @refusing
    async def update_node_pool(self, step: StepInput) -> None:
        """Give a pool's nodes their labels and taints, and the pool its bounds."""
        async with self._steps.forward(step) as attempt:
            asked = attempt.asked(UpdateNodePool)
            spec = NodePoolSpec(attempt.cluster_id, asked.version, asked.wanted)
            await self._provider.ensure_node_pool(spec, attempt.fence)
            await self._until_so(spec, attempt)

    async def _until_so(self, spec: NodePoolSpec, attempt: Attempt) -> None:
        def made(seen: Observed) -> State:
            return pool_in(seen, spec.pool.id).state

        async for seen in self._steps.watch(spec.cluster_id, attempt, made):
            now = pool_in(seen, spec.pool.id)
            if is_as_asked(now, spec):
                await attempt.complete(showing(spec.pool.id, now))
                return

    @activity.defn
    @refusing
    async def restore_node_pool(self, step: StepInput) -> None:
        """Give a pool back what it had before."""
        async with self._steps.back(step) as undoing:
            asked = undoing.asked(UpdateNodePool)
            spec = NodePoolSpec(undoing.cluster_id, asked.version, asked.pool)
            await self._provider.ensure_node_pool(spec, undoing.fence)
            async for seen in self._steps.watch(undoing.cluster_id):
                if is_as_asked(pool_in(seen, spec.pool.id), spec):
                    return
