"""Page tokens: where a list continues, bound to the list and its filters.

A token is opaque but not secret: a forged one only chooses where the forger's own list begins.
A token from another list, or from other filters, is refused.
"""

import base64
import hashlib
import json
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.http.fields import Whole
from api.http.validation import Query
from cks.db.pages import Cut
from cks.domain.refusals import Fault, Invalid

PLACE = {"page_size", "page_token"}


class PageQuery(Query):
    """The parameters of every list."""

    page_size: Annotated[int, Whole(1, 500)] = 50
    """The maximum number of results."""
    page_token: Annotated[str | None, Field(max_length=500)] = None
    """The `next_page_token` of the previous page, with the same filters."""


def cut_of(route: str, query: PageQuery) -> Cut:
    """Return which part of a list is requested; raise ``Invalid`` for another list's token."""
    if query.page_token is None:
        return Cut(query.page_size)
    try:
        payload = json.loads(base64.urlsafe_b64decode(query.page_token.encode() + b"=="))
        mark, after = str(payload["of"]), UUID(str(payload["after"]))
    except (ValueError, TypeError, KeyError) as error:
        raise _foreign() from error
    if mark != _mark(route, query):
        raise _foreign()
    return Cut(query.page_size, after)


def token_of(route: str, query: PageQuery, after: UUID | None) -> str | None:
    """Return the token of the next page, or ``None`` where there is none."""
    if after is None:
        return None
    payload = json.dumps({"of": _mark(route, query), "after": str(after)})
    return base64.urlsafe_b64encode(payload.encode()).decode().rstrip("=")


def _mark(route: str, query: PageQuery) -> str:
    filters = query.model_dump_json(exclude=PLACE)
    return hashlib.sha256(f"{route} {filters}".encode()).hexdigest()[:16]


def _foreign() -> Invalid:
    detail = "is not valid for this list and these filters"
    return Invalid([Fault("?page_token", "invalid_page_token", detail)])
