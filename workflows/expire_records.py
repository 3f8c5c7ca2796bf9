"""Let go of what has been kept for long enough; a Temporal schedule starts it every hour."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.expiring import Expiring
    from cks.domain.retention import ExpiryOrder
    from workflows.saga import ATTEMPT, ENDLESS, HEARTBEAT, WAIT


@workflow.defn
class ExpireRecords:
    """A page of tenants a run, so that no history grows with their number."""

    @workflow.run
    async def run(self, order: ExpiryOrder) -> None:
        last = await workflow.execute_activity_method(
            Expiring.expire_page,
            order,
            summary=f"Delete old records of {order.tenants} tenants at most",
            start_to_close_timeout=ATTEMPT,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=ENDLESS,
            cancellation_type=WAIT,
        )
        if last is not None:
            workflow.continue_as_new(ExpiryOrder(last, order.tenants))
