"""What of a request with an ``Idempotency-Key`` is compared and kept."""

import re

from aiohttp import web
from pydantic import RootModel

from api.http.endpoint import Reply
from cks.db.idempotency import Before, KeyedRequest
from cks.domain.access.permissions import Caller
from cks.domain.refusals import Fault, Invalid

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"


GOOD_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def key_of(request: web.Request, caller: Caller, body: bytes) -> KeyedRequest | None:
    """Return the request with its key, if it has one; raise ``Invalid`` for a bad one."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not GOOD_KEY.fullmatch(key):
        detail = "must be 1 to 255 printable ASCII characters without spaces"
        raise Invalid([Fault(HEADER, "bad_format", detail)])
    return KeyedRequest(caller, request.method, request.rel_url.raw_path[:512], key, body)


class Stored(RootModel[object]):
    """A body as it was answered once, whatever has become of its model since."""


def to_remember(reply: Reply) -> Before:
    """Return what is to be kept of a request's first answer."""
    if reply.operation_id:
        return Before(reply.operation_id)
    body = reply.body.model_dump(mode="json")
    return Before(answer={"headers": dict(reply.headers), "body": body})
