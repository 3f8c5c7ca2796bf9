"""Workflows that carry out ``cluster.create`` as types of another kind would: to try the frame."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from cks.domain.operations.inputs import RunInput
    from cks.domain.operations.types import OnFailure
    from workflows.operation_run import OperationRun
    from workflows.provision_cluster import PAIRS

CREATE = "ProvisionCluster"


@workflow.defn(name=CREATE)
class Stops:
    """Keeps what is so when it fails or is cancelled."""

    @workflow.init
    def __init__(self, given: RunInput) -> None:
        self._run = OperationRun(given, PAIRS, OnFailure.STOP)

    @workflow.run
    async def run(self, given: RunInput) -> None:  # noqa: ARG002
        await self._run.carry_out()


@workflow.defn(name=CREATE)
class Persists:
    """Goes only forward."""

    @workflow.init
    def __init__(self, given: RunInput) -> None:
        self._run = OperationRun(given, PAIRS, OnFailure.PERSIST)

    @workflow.run
    async def run(self, given: RunInput) -> None:  # noqa: ARG002
        await self._run.carry_out()
