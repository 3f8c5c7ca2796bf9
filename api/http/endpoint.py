"""One declaration per route, from which everything else is derived.

An ``Endpoint`` says what a route accepts, returns and refuses, and which permission it requires.
Parsing, authorization, errors, OpenAPI and the tests of all routes are derived from it: a route
that returns what it did not declare is a bug, and answers 500.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from api.http.auth import Authorization
from api.http.context import AppContext
from api.http.problems import DatabaseAway, NotJson, TooLarge, WrongContentType
from api.http.validation import Either, Query, RequestBody, id_in, id_or_name_in
from cks.db.access.decisions import AccessQuestion, Target
from cks.db.session import Session
from cks.domain import refusals
from cks.domain.access.permissions import Caller, Visibility
from cks.domain.operations.types import OperationType
from cks.domain.refusals import Declined, NotFound

Body = TypeVar("Body", bound=BaseModel | None)
Params = TypeVar("Params", bound=Query)

MUTATING = frozenset(("POST", "PATCH", "PUT", "DELETE"))


@dataclass(frozen=True, slots=True)
class Call(Generic[Body, Params]):
    """A validated request whose caller is known and allowed.

    ``session`` is the one transaction of the request, ``at`` its instant; ``visibility``, how much
    the caller sees by the route's permission.
    """

    request: web.Request
    caller: Caller
    visibility: Visibility
    session: Session
    at: datetime
    body: Body
    query: Params
    context: AppContext


@dataclass(frozen=True, slots=True)
class Visit(Generic[Params]):
    """A request that waits or streams; every read opens its ``authorization`` anew."""

    request: web.Request
    authorization: Authorization
    query: Params
    context: AppContext


@dataclass(frozen=True, slots=True)
class Subject:
    """What a change was about, for the activity log."""

    type: str
    id: UUID


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler returns: the model that it declared, and headers.

    A change names its subject, and the operation that carries it out; ``detail`` is what else
    the activity log records.
    """

    body: BaseModel
    headers: Mapping[str, str] = field(default_factory=dict)
    subject: Subject | None = None
    detail: Mapping[str, object] = field(default_factory=dict)
    operation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    """A section of the reference."""

    name: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A route.  ``permission`` is ``resource.verb``.

    In the reference it stands under its ``tag`` with one line, its ``summary``; ``description`` is
    what else is to be said of it.

    ``target`` says where the permission must be held, and thereby which part of the path says so;
    ``named`` are the parts that may be given as ``name:prod``, too.  A route without a permission
    says ``why_open``: it is for whoever has a token.

    ``starts`` is the operation type that it starts, if one: another operation may then be in its
    way.  ``judged_by`` finds what the body's rules need to know beside the instant.  Exactly one of
    ``act`` (inside one transaction) and ``wait`` (a reader who waits) is set.  ``stream`` is the
    media type of an answer that is no JSON.  A POST that is ``safe`` changes nothing (RFC 9110): it
    leaves no line in the log.  Only what is ``always_open`` may be changed by a tenant that is
    suspended.
    """

    method: str
    path: str
    permission: str | None
    tag: Tag
    summary: str
    answers: type[BaseModel]
    description: str | None = None
    target: Target = Target.TENANT
    named: tuple[str, ...] = ()
    why_open: str | None = None
    status: int = 200
    body: type[RequestBody] | Either | None = None
    judged_by: Callable[[AppContext, Session], Awaitable[Mapping[str, object]]] | None = None
    query: type[Query] = Query
    refuses: tuple[type[Declined], ...] = ()
    stream: str | None = None
    starts: OperationType | None = None
    safe: bool = False
    always_open: bool = False
    act: Callable[..., Awaitable[Reply]] | None = None
    wait: Callable[..., Awaitable[Reply | web.StreamResponse]] | None = None

    @property
    def handler(self) -> Callable[..., Awaitable[object]]:
        handler = self.act or self.wait
        assert handler is not None  # noqa: S101  (one of them is set)
        return handler

    @property
    def name(self) -> str:
        """Return the operation's id in OpenAPI: the handler's name."""
        return self.handler.__name__

    @property
    def source(self) -> str:
        """Return where it is declared, for error messages."""
        return f"{self.handler.__module__}.{self.name}"

    @property
    def takes_body(self) -> bool:
        """Say whether a request may have a body and an ``Idempotency-Key``."""
        return self.method in MUTATING

    @property
    def mutates(self) -> bool:
        return self.takes_body and not self.safe

    def asked_by(self, request: web.Request) -> AccessQuestion:
        """Return what a request needs, and where; a malformed id refers to nothing."""
        return AccessQuestion(self.permission, self.target, self._wanted(request))

    def _wanted(self, request: web.Request) -> UUID | str | None:
        if self.target.kind is None:
            return None
        part = f"{self.target.kind}_id"
        read = id_or_name_in if part in self.named else id_in
        try:
            return read(request, part)
        except NotFound:
            return None

    def all_refusals(self) -> frozenset[type[Declined]]:
        """Return every refusal it may answer with: its own, and those implied by its kind."""
        implied: set[type[Declined]] = {
            refusals.Unauthenticated,
            refusals.Invalid,
            DatabaseAway,
        }
        if self.permission:
            implied.add(refusals.Forbidden)
        if "{" in self.path:
            implied.add(refusals.NotFound)
        if self.takes_body:
            implied |= {NotJson, TooLarge, WrongContentType}
            implied |= {refusals.IdempotencyKeyReused, refusals.NotAvailableYet}
        if self.starts:
            implied.add(refusals.OperationConflict)
        if self.mutates and not self.always_open:
            implied.add(refusals.TenantSuspended)
        return frozenset(implied | set(self.refuses))
