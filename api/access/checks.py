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
    "granted": "The role {role} includes it, through its {scope} binding.",
    "not_granted": "None of the user's roles includes it.",
    "wrong_scope": "The role {role} includes it, but its {scope} binding does not apply here.",
    "expired": "The role {role} includes it, but the grant has expired.",
    "role_inactive": "The role {role} includes it, but the role is inactive.",
    "user_suspended": "The role {role} includes it, but the user is not active.",
    "narrowed_by_token": "The role {role} includes it, but the token does not.",
}
"""Code → what is said."""


class AccessCheck(RequestBody):
    """Asks whether a user has a permission in a scope."""

    permission: Annotated[str, StringConstraints(max_length=64)]
    """A permission from `GET /v1/permissions`."""
    user_id: Id | None = None
    """The user; defaults to you, with this token. Asking about others requires `rbac.read`."""
    cluster_id: Id | None = None
    """The cluster; defaults to the whole tenant. A cluster that you cannot see counts as
    nonexistent."""
    namespace_id: Id | None = None
    """A namespace in that cluster."""

    @classmethod
    def rules(cls, text: Mapping[str, object]) -> list[Fault]:
        return place_faults(text)


class AccessBody(ResponseBody):
    """The answer, and the role that allows it or comes closest to allowing it."""

    allowed: bool
    code: Code
    reason: str
    role: str | None
    scope: Scope | None
    via: Via | None
    """`users.role`: the user's own role; `grant`: the grant `grant_id`."""
    grant_id: UUID | None


class HeldBody(ResponseBody):
    """One of your roles, where it is bound, and the permissions that it gives you there."""

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
        detail = "Asking about other users requires the permission rbac.read."
        raise Forbidden(detail, members={"missing": ["rbac.read"]})


async def _check_user(call: Call[AccessCheck, Query], user_id: UUID) -> None:
    try:
        await users.find(call.session, user_id)
    except NotFound as error:
        raise Invalid([Fault("/user_id", "unknown_user", "does not exist")]) from error


def _answer(found: Explained) -> AccessBody:
    reason = REASONS[found.code].format(role=found.role, scope=found.scope)
    shown = {name: getattr(found, name) for name in ("code", "role", "scope", "via", "grant_id")}
    return AccessBody.model_validate({"allowed": found.allowed, "reason": reason, **shown})


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
        why_open="you can always ask about yourself, and asking about others requires `rbac.read`",
        tag=ACCESS,
        summary="Check whether a user has a permission, and why",
        description="`code` is `granted`, or the reason why not. `role`, `scope` and `via` say "
        "which role allows it or comes closest, and where that role is bound.",
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
        why_open="you can always see your own permissions",
        tag=USERS,
        summary="List your permissions and the roles that give them",
        answers=HeldPage,
        query=PageQuery,
        act=list_my_permissions,
    ),
)
