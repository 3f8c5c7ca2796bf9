"""Change labels, taints and bounds of a living node pool, or give it back what it had."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.node_pools import NodePools
    from cks.domain.operations.inputs import RunInput
    from workflows.operation_run import OperationRun, Pair

PAIRS = {"update": Pair(NodePools.update_node_pool, NodePools.restore_node_pool)}


@workflow.defn
class UpdateNodePool:
    @workflow.init
    def __init__(self, given: RunInput) -> None:
        self._run = OperationRun(given, PAIRS)

    @workflow.run
    async def run(self, given: RunInput) -> None:  # noqa: ARG002  (the SDK passes it to both)
        await self._run.carry_out()
