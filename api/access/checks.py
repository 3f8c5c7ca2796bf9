"""``/v1/access:check`` and ``/v1/me/permissions``: who may do what, and why, or why not."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import StringConstraints

from api.access.grants import place_faults
from api.http.endpoint import Call, Endpoint, Reply
from api.http.fields import Id
from api.http.pagination import PageQuery, cut_of, token_of
from api.http.validation import Query, RequestBody, ResponseBody
from api.tags import ACCESS, USERS
from cks.db.access import decisions, explanations, grants, roles
from cks.db.access.explanations import Explained
from cks.db.people import users
from cks.domain.access.permissions import Place
from cks.domain.refusals import Fault, Forbidden, Invalid, NotFound

ME = "/v1/me/permissions"

Scope = Literal["tenant", "cluster", "namespace"]
Via = Literal["users.role", "grant"]
Code = Literal[
    "granted",
    "not_granted",
    "wrong_scope",
    "expired",
    "role_inactive",
    "user_suspended",
    "narrowed_by_token",
]
REASONS = {
    "granted": "The role {role} lists it, bound at the {scope}.",
    "not_granted": "No role of the user lists it.",
    "wrong_scope": "The role {role} lists it; bound at the {scope}, it does not reach there.",
    "expired": "The role {role} lists it; the grant has expired.",
    "role_inactive": "The role {role} lists it, and is inactive.",
    "user_suspended": "The role {role} lists it; the user is not active.",
    "narrowed_by_token": "The role {role} lists it; the token is narrowed to others.",
}
"""Code → what is said."""


class AccessCheck(RequestBody):
    """What is asked: whether somebody may do something at a place."""

    permission: Annotated[str, StringConstraints(max_length=64)]
    """Of `GET /v1/permissions`."""
    user_id: Id | None = None
    """Who; left out: yourself, with this token. For another you need `rbac.read`."""
    cluster_id: Id | None = None
    """Where; left out: in the whole tenant. Of one that you do not see you are not told whether it
    is there."""
    namespace_id: Id | None = None
    """A namespace of that cluster."""

    @classmethod
    def rules(cls, text: Mapping[str, object]) -> list[Fault]:
        return place_faults(text)


class AccessBody(ResponseBody):
    """Whether, and why: what allows it, or what came nearest."""

    allowed: bool
    code: Code
    reason: str
    role: str | None
    scope: Scope | None
    via: Via | None
    """`users.role`: the user's own role; `grant`: the one of `grant_id`."""
    grant_id: UUID | None


class HeldBody(ResponseBody):
    """A role of yours, and what it permits you where it is bound."""

    role: str
    scope: Scope
    cluster_id: UUID | None
    namespace_id: UUID | None
    via: Via
    grant_id: UUID | None
    expires_at: datetime | None
    permissions: list[str]


class HeldPage(ResponseBody):
    results: list[HeldBody]
    next_page_token: str | None


async def check_access(call: Call[AccessCheck, Query]) -> Reply:
    asked, session, me = call.body, call.session, call.caller
    if asked.permission not in await roles.permission_names(session):
        raise Invalid([Fault("/permission", "unknown_permission", "is not a permission")])
    user_id = me.user_id if asked.user_id is None else asked.user_id
    narrowed = me.narrowed if user_id == me.user_id else None
    if user_id != me.user_id:
        await _check_may_ask(call)
        await _check_user(call, user_id)
    place = Place(asked.cluster_id, asked.namespace_id)
    await grants.check_seen(session, me, place)
    found = await explanations.explain(session, user_id, asked.permission, place, narrowed)
    return Reply(_answer(found))


async def _check_may_ask(call: Call[AccessCheck, Query]) -> None:
    if not await decisions.may(call.session, call.caller, "rbac.read"):
        detail = "Asking about other users needs the permission rbac.read."
        raise Forbidden(detail, members={"missing": ["rbac.read"]})


async def _check_user(call: Call[AccessCheck, Query], user_id: UUID) -> None:
    try:
        await users.find(call.session, user_id)
    except NotFound as error:
        raise Invalid([Fault("/user_id", "unknown_user", "there is no such user")]) from error


def _answer(found: Explained) -> AccessBody:
    reason = REASONS[found.code].format(role=found.role, scope=found.scope)
    told = {name: getattr(found, name) for name in ("code", "role", "scope", "via", "grant_id")}
    return AccessBody.model_validate({"allowed": found.allowed, "reason": reason, **told})


async def list_my_permissions(call: Call[None, PageQuery]) -> Reply:
    page = await explanations.held_page(call.session, call.caller, cut_of(ME, call.query))
    results = [HeldBody.model_validate(held, from_attributes=True) for held in page.rows]
    after = token_of(ME, call.query, page.next_after)
    return Reply(HeldPage(results=results, next_page_token=after))


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/access:check",
        permission=None,
        why_open="everybody may ask about themselves; about others it takes `rbac.read`",
        tag=ACCESS,
        summary="Check whether somebody may do something, and why",
        description="`code` is `granted`, or says what came closest; `role`, `scope` and `via` say "
        "which role that was, and where it is bound.",
        answers=AccessBody,
        body=AccessCheck,
        safe=True,
        refuses=(Forbidden,),
        act=check_access,
    ),
    Endpoint(
        method="GET",
        path=ME,
        permission=None,
        why_open="it shows the caller to themselves",
        tag=USERS,
        summary="List your permissions, and what gives them to you",
        answers=HeldPage,
        query=PageQuery,
        act=list_my_permissions,
    ),
)
