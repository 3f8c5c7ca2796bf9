"""Requests with an ``Idempotency-Key`` that came before: answered as they were then.

One that started an operation is answered with that operation as it is now.
"""

import re
from typing import Any, cast
from uuid import UUID

from aiohttp import web
from pydantic import RootModel

from api.endpoint import Call, Reply, Subject
from api.showing import operation_body
from cks.db import operations
from cks.db.idempotency import Before, KeyedRequest
from cks.db.views import OperationView, view_of
from cks.domain.access import Caller
from cks.domain.instants import rfc3339_or_none
from cks.domain.refusals import Fault, Invalid, OperationConflict

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
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


class Stored(RootModel[object]):
    """A body as it was answered once, whatever has become of its model since."""


async def replay(call: Call[Any, Any], before: Before) -> Reply:
    """Answer what was answered before, or the operation that was started, as it is now."""
    if before.operation_id:
        operation = await operations.read(call.session, before.operation_id)
        return started(call, await view_of(call.session, operation))
    answer = before.answer or {}
    headers = cast(dict[str, str], answer["headers"])
    return Reply(Stored(answer["body"]), {**headers, REPLAYED: "true"})


def to_remember(reply: Reply) -> Before:
    """Return what is to be kept of a request's first answer."""
    if reply.operation_id:
        return Before(reply.operation_id)
    body = reply.body.model_dump(mode="json")
    return Before(answer={"headers": dict(reply.headers), "body": body})


async def until_when(call: Call[Any, Any], conflict: OperationConflict) -> dict[str, object]:
    """Say until when the operation in the way will probably be there."""
    holder = await operations.read(call.session, UUID(str(conflict.members[HOLDER])))
    body = operation_body(await view_of(call.session, holder), call.around.settings.pace)
    at = body.estimated_completion_at
    return {"estimated_completion_at": rfc3339_or_none(at)}


def started(call: Call[Any, Any], operation: OperationView) -> Reply:
    """Answer with the operation to follow."""
    return Reply(
        body=operation_body(operation, call.around.settings.pace),
        headers={"Location": f"/v1/operations/{operation.id}", **RETRY_AFTER},
        subject=Subject(operation.resource_type, operation.resource_id),
        operation_id=operation.id,
    )
