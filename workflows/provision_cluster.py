"""Build a cluster as a tenant asked for it, or leave nothing behind."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.provisioning import Provisioning
    from cks.domain.operations.inputs import RunInput
    from workflows.operation_run import OperationRun, Pair

PAIRS = {
    "network": Pair(Provisioning.create_network, Provisioning.delete_network),
    "control_plane": Pair(Provisioning.create_control_plane, Provisioning.delete_control_plane),
    "node_pool": Pair(Provisioning.create_node_pool, Provisioning.delete_node_pool),
    "add_ons": Pair(Provisioning.install_add_ons),
    "verify": Pair(Provisioning.verify_cluster),
}


@workflow.defn
class ProvisionCluster:
    @workflow.init
    def __init__(self, given: RunInput) -> None:
        self._run = OperationRun(given, PAIRS)

    @workflow.run
    async def run(self, given: RunInput) -> None:  # noqa: ARG002  (the SDK passes it to both)
        await self._run.carry_out()
