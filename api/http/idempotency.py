"""Which parts of a request with an ``Idempotency-Key`` are compared and stored."""

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
    """Return the request with its key, if it has one; raise ``Invalid`` for a malformed key."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not GOOD_KEY.fullmatch(key):
        detail = "must be 1 to 255 printable ASCII characters without spaces"
        raise Invalid([Fault(HEADER, "bad_format", detail)])
    return KeyedRequest(caller, request.method, request.rel_url.raw_path[:512], key, body)


class Stored(RootModel[object]):
    """A response body as it was first sent, even if its model has changed since."""


def to_remember(reply: Reply) -> Before:
    """Return what to store of the first response to a request."""
    if reply.operation_id:
        return Before(reply.operation_id)
    body = reply.body.model_dump(mode="json")
    return Before(answer={"headers": dict(reply.headers), "body": body})
