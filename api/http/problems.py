"""Refusals as HTTP responses: ``application/problem+json`` (RFC 9457).  The only such table.

``type`` links to the page that explains the code; ``code`` is what programs compare.
"""

from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from cks.domain import refusals
from cks.domain.refusals import Declined

CONTENT_TYPE = "application/problem+json"
DOCS = "https://docs.cybercloud.example/errors#"
RETRY_AFTER_SECONDS = 2


class NotJson(Declined):
    """The body is not JSON, or not UTF-8."""

    code = "malformed_body"


class TooLarge(Declined):
    """The body is over 1 MiB."""

    code = "body_too_large"


class WrongContentType(Declined):
    """The Content-Type is one that we do not accept."""

    code = "unsupported_media_type"


class MethodNotAllowed(Declined):
    """The path exists, but not the method; ``Allow`` lists those that do."""

    code = "method_not_allowed"


class DatabaseAway(Declined):
    """The database does not respond, or is full; a change may or may not have been made."""

    code = "database_unavailable"


class Bug(Declined):
    """A bug; the request's id finds the reason in our logs."""

    code = "internal"


STATUS: dict[type[Declined], tuple[int, str]] = {
    NotJson: (400, "The body is malformed"),
    refusals.Unauthenticated: (401, "Authentication required"),
    refusals.Forbidden: (403, "Permission denied"),
    refusals.TenantSuspended: (403, "The tenant is suspended"),
    refusals.NotFound: (404, "Not found"),
    MethodNotAllowed: (405, "Method not allowed"),
    refusals.NameTaken: (409, "The name is already in use"),
    refusals.RoleInUse: (409, "The role is in use"),
    refusals.GrantExists: (409, "The user already has this role"),
    refusals.LastAdmin: (409, "A tenant needs an admin"),
    refusals.OperationConflict: (409, "Another operation holds the resource"),
    refusals.TooLate: (409, "The operation has already ended"),
    refusals.NotCancellable: (409, "The operation cannot be cancelled"),
    refusals.NotRunning: (409, "The resource is not running"),
    refusals.QuotaExceeded: (409, "Quota exceeded"),
    refusals.NoPrice: (409, "No price is available"),
    refusals.PreconditionFailed: (412, "The resource has changed"),
    TooLarge: (413, "The body is too large"),
    WrongContentType: (415, "Unsupported content type"),
    refusals.Invalid: (422, "Some fields are invalid"),
    refusals.IdempotencyKeyReused: (422, "The Idempotency-Key belongs to another request"),
    refusals.NotAvailableYet: (422, "Not available yet"),
    Bug: (500, "Internal error"),
    refusals.NotBuiltYet: (501, "Not available yet"),
    DatabaseAway: (503, "The database is unavailable"),
}


class FieldProblem(BaseModel):
    """An invalid field; ``pointer`` is a JSON pointer (RFC 6901), ``?name`` or a header's name."""

    pointer: str
    code: str
    detail: str


class Problem(BaseModel):
    """A problem (RFC 9457); some codes add members."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldProblem] = Field(default_factory=list)


def status_of(kind: type[Declined]) -> int:
    """Return the HTTP status of a refusal; one that is not in the table is a bug."""
    return STATUS[kind][0]


def problem_of(refusal: Declined, request_id: str) -> Problem:
    status, title = STATUS[type(refusal)]
    faults = refusal.faults if isinstance(refusal, refusals.Invalid) else ()
    own: dict[str, Any] = {
        "type": f"{DOCS}{refusal.code}",
        "title": title,
        "status": status,
        "detail": refusal.detail,
        "code": refusal.code,
        "request_id": request_id,
        "errors": [FieldProblem(pointer=f.pointer, code=f.code, detail=f.detail) for f in faults],
    }
    return Problem(**{**refusal.members, **own})


def answer_of(refusal: Declined, request_id: str) -> web.Response:
    """Return the response of a refusal."""
    problem = problem_of(refusal, request_id)
    headers = {}
    if problem.status == web.HTTPUnauthorized.status_code:
        headers["WWW-Authenticate"] = "Bearer"
    if problem.status == web.HTTPServiceUnavailable.status_code:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if allow := refusal.members.get("allow"):
        headers["Allow"] = str(allow)
    return web.Response(
        body=problem.model_dump_json().encode(),
        status=problem.status,
        headers=headers,
        content_type=CONTENT_TYPE,
    )
