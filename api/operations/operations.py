"""``/v1/operations`` and ``/v1/events``."""

import asyncio
from typing import Annotated, Any, Literal
from uuid import UUID

from aiohttp import web
from pydantic import AfterValidator, WithJsonSchema

from api.http.endpoint import Call, Endpoint, Reply, Visit
from api.http.fields import Instant, Whole
from api.http.pagination import PageQuery, cut_of, token_of
from api.http.validation import Query, demand, id_in
from api.operations.bodies import OperationBody, OperationPage, operation_body
from api.operations.replies import started
from api.operations.streams import EVENT_STREAM, follow_all, follow_one
from api.tags import OPERATIONS
from cks.db.access.decisions import Target
from cks.db.operations import cancelling, operations, views
from cks.db.operations.operations import OperationFilter
from cks.db.operations.views import OperationView
from cks.domain.operations.types import ResourceType
from cks.domain.refusals import Fault, NotCancellable, NotFound, TooLate
from cks.domain.registry import LATER, TYPES

LIST = "/v1/operations"
ONE = "/v1/operations/{operation_id}"


NAMES = [*TYPES, *LATER]


def _known(name: str) -> str:
    if name not in NAMES:
        demand([Fault("", "unknown_value", f"must be one of {', '.join(NAMES)}")])
    return name


Type = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": NAMES})]


class OperationQuery(PageQuery):
    status: tuple[Literal["pending", "running", "completed", "failed", "cancelled"], ...] = ()
    """Can be repeated; matches any of the values."""
    type: Type | None = None
    """The kind of change."""
    resource_type: ResourceType | None = None
    """The kind of resource that was changed."""
    resource_id: UUID | None = None
    """The resource that was changed."""
    cluster_id: UUID | None = None
    """The cluster that was changed, or that contains the changed resource."""
    created_by: UUID | None = None
    """The user who requested it."""
    created_after: Instant | None = None
    """An RFC 3339 time with a time zone, such as `2026-01-31T09:30:00Z`; exclusive."""
    created_before: Instant | None = None
    """An RFC 3339 time with a time zone, such as `2026-01-31T09:30:00Z`; exclusive."""


async def list_operations(call: Call[None, OperationQuery]) -> Reply:
    query = call.query
    names = OperationFilter.__dataclass_fields__
    wanted = OperationFilter(**{name: getattr(query, name) for name in names})
    page = await operations.list_page(call.session, call.visibility, wanted, cut_of(LIST, query))
    found = await views.views_of(call.session, page.rows)
    results = [operation_body(view, call.context.settings.provider_speed) for view in found]
    after = token_of(LIST, query, page.next_after)
    return Reply(OperationPage(results=results, next_page_token=after))


class WaitQuery(Query):
    wait: Annotated[int, Whole(0, 60)] = 0
    """The maximum number of seconds to wait for the operation to end; 0 returns at once."""


async def get_operation(visit: Visit[WaitQuery]) -> Reply:
    """Answer from the rows alone; with ``wait``, once it is done or the time is up."""
    provider_speed = visit.context.settings.provider_speed
    operation_id = await _id_in(visit)
    body = operation_body(await _look(visit, operation_id), provider_speed)
    if body.done or not visit.query.wait:
        return Reply(body)
    loop = asyncio.get_running_loop()
    until = loop.time() + visit.query.wait
    with visit.context.announcements.about(operation_id) as news:
        while True:
            news.clear()
            body = operation_body(await _look(visit, operation_id), provider_speed)
            left = until - loop.time()
            if body.done or left <= 0:
                return Reply(body)
            try:
                await asyncio.wait_for(news.wait(), min(left, 5))
            except TimeoutError:
                continue


async def _look(visit: Visit[Any], operation_id: UUID) -> OperationView:
    """Read it and check its reader's permission, in one round trip to the database."""
    way = visit.authorization
    needed = str(way.question.permission)
    found = await views.glimpse(way.database, way.claim, needed, operation_id)
    way.judge(found.identity)
    if found.operation is None:
        raise NotFound(Target.OPERATION.lost)
    return found.operation


async def _id_in(visit: Visit[Any]) -> UUID:
    """Return the path's id; only a caller who may ask learns that it is malformed."""
    try:
        return id_in(visit.request, "operation_id")
    except NotFound:
        async with visit.authorization.open():
            raise


async def follow_operation(visit: Visit[Query]) -> web.StreamResponse:
    return await follow_one(visit, id_in(visit.request, "operation_id"))


async def follow_events(visit: Visit[Query]) -> web.StreamResponse:
    return await follow_all(visit)


async def cancel_operation(call: Call[None, Query]) -> Reply:
    """Record the request; the relay forwards it.  Repeating it is harmless."""
    operation_id = id_in(call.request, "operation_id")
    operation = await cancelling.request_cancel(call.session, operation_id)
    return started(call, await views.view_of(call.session, operation))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path=LIST,
        permission="operations.read",
        target=Target.OWN,
        tag=OPERATIONS,
        summary="List operations, newest first",
        answers=OperationPage,
        query=OperationQuery,
        act=list_operations,
    ),
    Endpoint(
        method="GET",
        path=ONE,
        permission="operations.read",
        target=Target.OPERATION,
        tag=OPERATIONS,
        summary="Get an operation, or wait for it to end",
        description="Returns at once or, with `wait`, when the operation is done or the time is "
        "up.",
        answers=OperationBody,
        query=WaitQuery,
        wait=get_operation,
    ),
    Endpoint(
        method="GET",
        path=f"{ONE}/events",
        permission="operations.read",
        target=Target.OPERATION,
        tag=OPERATIONS,
        summary="Follow an operation to its end (server-sent events)",
        description="Each event is named `operation`; its data is the operation at that time. "
        "After 15 seconds of silence, a comment is sent. The stream ends after the last event.",
        answers=OperationBody,
        stream=EVENT_STREAM,
        wait=follow_operation,
    ),
    Endpoint(
        method="POST",
        path=f"{ONE}:cancel",
        permission="operations.cancel",
        target=Target.OPERATION,
        tag=OPERATIONS,
        summary="Cancel an operation and undo its changes",
        description="The operation undoes its changes and then becomes `cancelled`. "
        "Repeating the request is harmless. If the operation has already completed or failed, the "
        "response is 409.",
        answers=OperationBody,
        status=202,
        refuses=(TooLate, NotCancellable),
        always_open=True,
        act=cancel_operation,
    ),
    Endpoint(
        method="GET",
        path="/v1/events",
        permission="operations.read",
        target=Target.OWN,
        tag=OPERATIONS,
        summary="Follow all operations (server-sent events)",
        description="Each event is named `operation`; its data is the operation at that time. "
        "After 15 seconds of silence, a comment is sent. The stream does not end.",
        answers=OperationBody,
        stream=EVENT_STREAM,
        wait=follow_events,
    ),
)
