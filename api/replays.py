"""Requests with an ``Idempotency-Key`` that came before: answered by their operation."""

import re
from typing import Any
from uuid import UUID

from aiohttp import web

from api.endpoint import Call, Reply, Subject
from api.showing import operation_body
from cks.db import operations
from cks.db.idempotency import KeyedRequest
from cks.db.models.operations import Operation
from cks.domain.access import Caller
from cks.domain.instants import rfc3339_or_none
from cks.domain.refusals import Fault, Invalid, OperationConflict

HEADER = "Idempotency-Key"
HOLDER = "conflicting_operation_id"
GOOD_KEY = re.compile(r"[\x21-\x7e]{1,255}")
RETRY_AFTER = {"Retry-After": "1"}


def key_of(request: web.Request, caller: Caller, body: bytes) -> KeyedRequest | None:
    """Return the request with its key, if it has one; raise ``Invalid`` for a bad one."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not GOOD_KEY.fullmatch(key):
        detail = "1 to 255 printable ASCII characters without spaces"
        raise Invalid([Fault(HEADER, "bad_format", detail)])
    return KeyedRequest(caller, request.method, request.rel_url.raw_path[:512], key, body)


async def replay(call: Call[Any, Any], operation_id: UUID) -> Reply:
    """Answer with the operation that the request started before, as it is now."""
    operation = await operations.read(call.session, operation_id)
    return await started(call, operation)


async def until_when(call: Call[Any, Any], conflict: OperationConflict) -> dict[str, object]:
    """Say until when the operation in the way will probably be there."""
    holder = await operations.read(call.session, UUID(str(conflict.members[HOLDER])))
    body = await operation_body(call.session, holder, call.around.settings.pace)
    at = body.estimated_completion_at
    return {"estimated_completion_at": rfc3339_or_none(at)}


async def started(call: Call[Any, Any], operation: Operation) -> Reply:
    """Answer with the operation to follow."""
    return Reply(
        body=await operation_body(call.session, operation, call.around.settings.pace),
        headers={"Location": f"/v1/operations/{operation.id}", **RETRY_AFTER},
        subject=Subject(operation.resource_type, operation.resource_id),
        operation_id=operation.id,
    )
