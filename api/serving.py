"""How a request is served: read, authorized, decided, logged, answered; always in this order.

Reading comes before the transaction, so that a slow client holds no connection; what is wrong
with the request is reported after the caller is known, so that strangers learn nothing.  A change
and its line in the activity log are one transaction; a refused change is logged in another.
"""

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aiohttp import web
from pydantic import BaseModel

from api.http.auth import Admission, Authorization, authorization_of
from api.http.context import APP_CONTEXT, REQUEST_ID, AppContext
from api.http.endpoint import Call, Endpoint, Reply, Visit
from api.http.idempotency import key_of, to_remember
from api.http.metrics import measured
from api.http.problems import Bug, DatabaseAway, MethodNotAllowed, answer_of, status_of
from api.http.validation import Query, body_of, canonical, query_of, text_of, together
from api.operations.replies import replay, until_when
from cks import logs
from cks.db import activity_log, idempotency
from cks.db.activity_log import Entry
from cks.db.connections import is_away
from cks.db.operations import operations
from cks.domain.access.permissions import Visibility
from cks.domain.refusals import (
    Declined,
    Forbidden,
    Invalid,
    NotFound,
    OperationConflict,
    TenantSuspended,
    Unauthenticated,
)

REQUEST_ID_HEADER = "X-Request-Id"
GOOD_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = logging.getLogger("cks.api")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id, and turn any exception into a problem."""
    given = request.headers.get(REQUEST_ID_HEADER, "")
    request[REQUEST_ID] = given if GOOD_REQUEST_ID.fullmatch(given) else uuid4().hex
    logs.begin(request_id=request[REQUEST_ID])
    with measured(request) as outcome:
        response = await _answered(request, handler)
        outcome.status = response.status
    if not response.prepared:
        response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]
    return response


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPNotFound:
        refusal: Declined = NotFound("This path does not exist.")
    except web.HTTPMethodNotAllowed as error:
        allow = ", ".join(sorted(error.allowed_methods))
        refusal = MethodNotAllowed(f"Allowed methods: {allow}.", members={"allow": allow})
    except Declined as error:
        refusal = error
    except Exception as error:  # noqa: BLE001  (the last line of defence)
        refusal = _trouble(error)
    return answer_of(refusal, request[REQUEST_ID])


def _trouble(error: Exception) -> Declined:
    """Distinguish an outage of the database from a bug."""
    if is_away(error):
        log.warning("the database does not answer: %s", error)
        return DatabaseAway(
            "The database is not responding, and a change may or may not have been made. "
            "Try again soon; the same Idempotency-Key prevents a change from being made twice."
        )
    log.error("the request failed because of a bug", exc_info=error)
    return Bug("An internal error occurred. Quote the request ID when you contact support.")


def serve(endpoint: Endpoint) -> Handler:
    """Return the aiohttp handler of an endpoint."""
    run = _visited if endpoint.wait else _acted

    async def handle(request: web.Request) -> web.StreamResponse:
        context = request.app[APP_CONTEXT]
        authorization = authorization_of(
            request,
            context.database,
            endpoint.asked_by(request),
            request_id=request[REQUEST_ID],
            changes=endpoint.mutates and not endpoint.always_open,
        )
        try:
            reply = await run(endpoint, request, authorization, context)
        except Declined as refusal:
            await _log_refusal(endpoint, authorization, refusal)
            if type(refusal) not in endpoint.all_refusals():
                raise TypeError(f"{endpoint.name} did not declare {type(refusal)}") from refusal
            raise
        return reply if isinstance(reply, web.StreamResponse) else _response(endpoint, reply)

    return handle


@dataclass(slots=True)
class Said:
    """What a request contains, and what is wrong with it, kept until the caller is known.

    ``text`` is the body as received, by which a repeated request is recognized.  ``legible``: it
    could be parsed.
    """

    text: object = None
    legible: bool = False
    body: BaseModel | None = None
    query: Any = None
    verdict: Declined | None = None

    def check(self) -> None:
        """Raise the refusal, if there is one."""
        if self.verdict:
            raise self.verdict


async def _visited(
    endpoint: Endpoint, request: web.Request, authorization: Authorization, context: AppContext
) -> Reply | web.StreamResponse:
    assert endpoint.wait is not None  # noqa: S101  (``serve`` chose)
    said = await _read(endpoint, request)
    if said.verdict or endpoint.stream:
        async with authorization.open():
            said.check()
    return await endpoint.wait(Visit(request, authorization, said.query, context))


async def _acted(
    endpoint: Endpoint, request: web.Request, authorization: Authorization, context: AppContext
) -> Reply:
    said = await _read(endpoint, request)
    try:
        reply = await _decided(endpoint, said, request, authorization, context)
    except NotFound:
        before = await _before(endpoint, said, request, authorization, context)
        if before is None:
            raise
        reply = before
    logs.bind(operation_id=reply.operation_id)
    if endpoint.mutates:
        context.wake_relay()
    return reply


async def _before(
    endpoint: Endpoint,
    said: Said,
    request: web.Request,
    authorization: Authorization,
    context: AppContext,
) -> Reply | None:
    """Answer a repeated request that deleted its own subject, and the permission with it."""
    caller = authorization.caller
    if caller is None or not (endpoint.takes_body and said.legible):
        return None
    keyed = key_of(request, caller, canonical(said.text, request.query_string))
    if keyed is None:
        return None
    async with authorization.database.begin(caller.tenant_id) as session:
        before = await idempotency.recall(session, keyed)
        visibility = Visibility(caller.user_id, caller.token_id, None, everything=False)
        at = await operations.instant(session)
        call = Call(request, caller, visibility, session, at, None, Query(), context)
        return await replay(call, before) if before else None


async def _decided(
    endpoint: Endpoint,
    said: Said,
    request: web.Request,
    authorization: Authorization,
    context: AppContext,
) -> Reply:
    async with authorization.open() as inside:
        await _judge(endpoint, said, inside, context)
        call = Call(
            request=request,
            caller=inside.caller,
            visibility=inside.visibility,
            session=inside.session,
            at=inside.at,
            body=said.body,
            query=said.query,
            context=context,
        )
        try:
            return await _once(endpoint, call, said)
        except OperationConflict as conflict:
            conflict.members |= await until_when(call, conflict)
            raise


async def _read(endpoint: Endpoint, request: web.Request) -> Said:
    """Read the body, and validate the query."""
    said = Said()
    try:
        if endpoint.takes_body:
            said.text = await text_of(request, needed=endpoint.body is not None)
        said.legible = True
        said.query = query_of(request, endpoint.query)
    except Declined as refusal:
        said.verdict = refusal
    return said


async def _judge(endpoint: Endpoint, said: Said, inside: Admission, context: AppContext) -> None:
    """Validate the body as of now; errors in body and query are reported together."""
    if not said.legible:
        return
    knowledge: dict[str, object] = {"at": inside.at}
    if endpoint.judged_by:
        knowledge |= await endpoint.judged_by(context, inside.session)
    try:
        said.body = body_of(said.text, endpoint.body, knowledge)
    except Invalid as refusal:
        before = [said.verdict] if isinstance(said.verdict, Invalid) else []
        said.verdict = together(*before, refusal)


async def _once(endpoint: Endpoint, call: Call[Any, Any], said: Said) -> Reply:
    """Decide the request; a repeated one with the same key gets the first response.

    The key comes before the validation: what was valid then may no longer be on offer.
    """
    assert endpoint.act is not None  # noqa: S101  (``serve`` chose)
    keyed = None
    if endpoint.takes_body and (said.legible or isinstance(said.verdict, Invalid)):
        body = canonical(said.text, call.request.query_string)
        keyed = key_of(call.request, call.caller, body)
    before = await idempotency.reserve(call.session, keyed) if keyed else None
    if before:
        reply = await replay(call, before)
    else:
        said.check()
        reply = await endpoint.act(call)
    if keyed and before is None:
        await idempotency.remember(call.session, keyed, to_remember(reply))
    if endpoint.mutates:
        await _log_success(endpoint, call, reply)
    return reply


async def _log_success(endpoint: Endpoint, call: Call[Any, Any], reply: Reply) -> None:
    subject = reply.subject
    started = {"operation_id": str(reply.operation_id)} if reply.operation_id else {}
    entry = Entry(
        action=str(endpoint.permission),
        outcome="success",
        permission=endpoint.permission,
        resource_type=subject.type if subject else None,
        resource_id=subject.id if subject else None,
        detail={**reply.detail, **started},
    )
    await activity_log.log_request(call.session, call.caller, entry)


async def _log_refusal(endpoint: Endpoint, authorization: Authorization, refusal: Declined) -> None:
    """Log that a known caller was refused a change."""
    caller = authorization.caller
    if caller is None or not endpoint.mutates or isinstance(refusal, Unauthenticated):
        return
    entry = Entry(
        action=str(endpoint.permission),
        outcome="denied" if isinstance(refusal, Forbidden | TenantSuspended) else "failure",
        permission=endpoint.permission,
        reason=refusal.code,
        detail={"status": status_of(type(refusal))},
    )
    async with authorization.database.begin(caller.tenant_id) as session:
        await activity_log.log_request(session, caller, entry)


def _response(endpoint: Endpoint, reply: Reply) -> web.Response:
    return web.Response(
        body=reply.body.model_dump_json().encode(),
        status=endpoint.status,
        headers=dict(reply.headers),
        content_type="application/json",
    )
