"""What an activity is about stands in every line that is logged while it runs.

An activity runs in a task of its own, which ends with what is bound here; so the SDK's own line
about one that failed has the ids, too.
"""

from typing import Any

from temporalio import activity
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from cks import logs


class Logged(Interceptor):
    """Binds the ids of each activity before it begins."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002  (the SDK's name)
        return _Bound(next)


class _Bound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002, ANN401  (the SDK's)
        info = activity.info()
        logs.begin(
            workflow_id=info.workflow_id,
            run_id=info.workflow_run_id,
            activity=info.activity_type,
            activity_id=info.activity_id,
            attempt=info.attempt,
        )
        for order in input.args:
            if ref := getattr(order, "operation", None):
                logs.bind_operation(ref)
        return await super().execute_activity(input)
