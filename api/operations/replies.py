"""The response of a request that starts an operation, and of a repeated request.

A repeated request that started an operation is answered with that operation as it is now.
"""

from typing import Any, cast
from uuid import UUID

from api.http.endpoint import Call, Reply, Subject
from api.http.idempotency import Stored
from api.operations.bodies import operation_body
from cks.db.idempotency import Before
from cks.db.operations import operations
from cks.db.operations.views import OperationView, view_of
from cks.domain.instants import rfc3339_or_none
from cks.domain.refusals import OperationConflict

REPLAYED = "Idempotency-Replayed"
HOLDER = "conflicting_operation_id"


RETRY_AFTER = {"Retry-After": "1"}


async def replay(call: Call[Any, Any], before: Before) -> Reply:
    """Return the first response again, or the operation that was started, as it is now."""
    if before.operation_id:
        operation = await operations.read(call.session, before.operation_id)
        return started(call, await view_of(call.session, operation))
    answer = before.answer or {}
    headers = cast(dict[str, str], answer["headers"])
    return Reply(Stored(answer["body"]), {**headers, REPLAYED: "true"})


async def until_when(call: Call[Any, Any], conflict: OperationConflict) -> dict[str, object]:
    """Return when the conflicting operation will probably complete."""
    holder = await operations.read(call.session, UUID(str(conflict.members[HOLDER])))
    body = operation_body(await view_of(call.session, holder), call.context.settings.provider_speed)
    at = body.estimated_completion_at
    return {"estimated_completion_at": rfc3339_or_none(at)}


def started(call: Call[Any, Any], operation: OperationView) -> Reply:
    """Answer with the operation to follow."""
    return Reply(
        body=operation_body(operation, call.context.settings.provider_speed),
        headers={"Location": f"/v1/operations/{operation.id}", **RETRY_AFTER},
        subject=Subject(operation.resource_type, operation.resource_id),
        operation_id=operation.id,
    )
