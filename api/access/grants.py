"""``/v1/users/{id}/roles``: roles that a user has besides their own, where, and until when."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from api.http.endpoint import Call, Endpoint, Reply, Subject
from api.http.fields import Id, Identifier, Instant
from api.http.pagination import PageQuery, cut_of, token_of
from api.http.validation import Query, RequestBody, ResponseBody, id_in
from api.tags import USERS
from cks.db.access import grants
from cks.db.access.decisions import Target
from cks.db.access.grants import GrantInput, GrantView
from cks.db.people import users
from cks.domain.access.permissions import BIND, Place
from cks.domain.instants import rfc3339_or_none
from cks.domain.refusals import Fault, GrantExists, LastAdmin

LIST = "/v1/users/{user_id}/roles"
ONE = f"{LIST}/{{grant_id}}"


class GrantBody(ResponseBody):
    """A role that is bound to a user in a scope."""

    id: UUID
    role: str
    cluster_id: UUID | None
    """Null if the role applies to the whole tenant."""
    namespace_id: UUID | None
    expires_at: datetime | None
    """When the grant expires; null if never."""
    granted_by: UUID | None
    created_at: datetime


class GrantPage(ResponseBody):
    results: list[GrantBody]
    next_page_token: str | None


class NewGrant(RequestBody):
    """A role to give, in the whole tenant, a cluster or a namespace."""

    role: Identifier
    """The name of one of the tenant's roles."""
    cluster_id: Id | None = None
    """The cluster in which the role applies, with its namespaces; defaults to the whole tenant."""
    namespace_id: Id | None = None
    """A namespace in that cluster."""
    expires_at: Instant | None = None
    """When the grant expires; defaults to never."""

    @classmethod
    def rules(cls, text: Mapping[str, object]) -> list[Fault]:
        return place_faults(text)


def place_faults(text: Mapping[str, object]) -> list[Fault]:
    """Validate a body that names a scope: a namespace belongs to a cluster."""
    if text.get("namespace_id") is not None and text.get("cluster_id") is None:
        return [Fault("/cluster_id", "required", "is missing: a namespace belongs to a cluster")]
    return []


def _body(view: GrantView) -> GrantBody:
    grant = view.grant
    return GrantBody(
        id=grant.id,
        role=view.role,
        cluster_id=grant.cluster_id,
        namespace_id=grant.namespace_id,
        expires_at=grant.expires_at,
        granted_by=grant.granted_by,
        created_at=grant.created_at,
    )


async def list_grants(call: Call[None, PageQuery]) -> Reply:
    user = await users.find(call.session, id_in(call.request, "user_id"))
    route = f"/v1/users/{user.id}/roles"
    page = await grants.list_page(call.session, user.id, cut_of(route, call.query))
    after = token_of(route, call.query, page.next_after)
    return Reply(GrantPage(results=[_body(view) for view in page.rows], next_page_token=after))


async def create_grant(call: Call[NewGrant, Query]) -> Reply:
    user = await users.find(call.session, id_in(call.request, "user_id"))
    body = call.body
    place = Place(body.cluster_id, body.namespace_id)
    asked = GrantInput(body.role, place, body.expires_at)
    made = await grants.bind(call.session, call.caller, user.id, asked, call.at)
    where = {"Location": f"/v1/users/{user.id}/roles/{made.grant.id}"}
    return Reply(_body(made), where, Subject("user", user.id), detail=_logged(made))


async def delete_grant(call: Call[None, Query]) -> Reply:
    user_id, grant_id = (id_in(call.request, name) for name in ("user_id", "grant_id"))
    gone = await grants.revoke(call.session, call.caller, user_id, grant_id)
    return Reply(_body(gone), subject=Subject("user", user_id), detail=_logged(gone))


def _logged(view: GrantView) -> dict[str, object]:
    """Return what the activity log records about a grant."""
    grant = view.grant
    places = {"cluster_id": grant.cluster_id, "namespace_id": grant.namespace_id}
    place = {name: str(value) for name, value in places.items() if value}
    until = rfc3339_or_none(grant.expires_at)
    return {"grant_id": str(grant.id), "role": view.role, "expires_at": until, **place}


ENDPOINTS = (
    Endpoint(
        method="GET",
        path=LIST,
        permission="rbac.read",
        target=Target.USER,
        tag=USERS,
        summary="List a user's grants, newest first",
        answers=GrantPage,
        query=PageQuery,
        act=list_grants,
    ),
    Endpoint(
        method="POST",
        path=LIST,
        permission=BIND,
        target=Target.GRANTEE,
        tag=USERS,
        summary="Give a user a role",
        description="To give a role, you need the permission to bind roles and every permission "
        "that the role includes, in the same scope and for as long. For an `unprivileged` role, "
        "the permission to bind is enough. You cannot change your own grants.",
        answers=GrantBody,
        status=201,
        body=NewGrant,
        refuses=(GrantExists,),
        act=create_grant,
    ),
    Endpoint(
        method="DELETE",
        path=ONE,
        permission=BIND,
        target=Target.GRANT,
        tag=USERS,
        summary="Take a role from a user",
        answers=GrantBody,
        refuses=(LastAdmin,),
        act=delete_grant,
    ),
)
