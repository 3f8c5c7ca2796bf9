"""``/v1/roles`` and ``/v1/permissions``: roles, and the permissions that they can include."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from api.http.endpoint import Call, Endpoint, Reply, Subject
from api.http.etags import check_match, etag_of
from api.http.fields import TEXT, Identifier
from api.http.pagination import PageQuery, cut_of, token_of
from api.http.validation import Query, RequestBody, ResponseBody, id_in, unsaid
from api.tags import ACCESS
from cks.db.access import roles
from cks.db.access.decisions import Target
from cks.db.access.roles import RoleView
from cks.domain.refusals import NameTaken, PreconditionFailed, RoleInUse

LIST, PERMISSIONS = "/v1/roles", "/v1/permissions"
ONE = "/v1/roles/{role_id}"
MOST_LISTED = 200

Said = Annotated[str, StringConstraints(pattern=TEXT, max_length=1000)]
Listed = Annotated[
    list[Annotated[str, StringConstraints(max_length=64)]], Field(max_length=MOST_LISTED)
]


class RoleBody(ResponseBody):
    """A role."""

    id: UUID
    name: str
    description: str | None
    status: Literal["active", "inactive"]
    """An inactive role gives its users no permissions."""
    builtin: bool
    """A built-in role is read-only."""
    unprivileged: bool
    """Whether users who can bind roles can give it without having its permissions themselves."""
    permissions: list[str]
    created_at: datetime
    updated_at: datetime
    etag: str


class RolePage(ResponseBody):
    results: list[RoleBody]
    next_page_token: str | None


class PermissionBody(ResponseBody):
    """A permission, as `resource.verb`."""

    name: str
    description: str | None
    lowest_scope: Literal["tenant", "cluster", "namespace"]
    """The narrowest scope in which it has an effect."""


class PermissionPage(ResponseBody):
    results: list[PermissionBody]
    next_page_token: str | None


class NewRole(RequestBody):
    """A custom role of the tenant."""

    name: Identifier
    """Unique within the tenant, regardless of case."""
    description: Said | None = None
    permissions: Listed
    """Permissions from `GET /v1/permissions`. You must have each of them in the whole tenant."""
    unprivileged: bool = False
    """Whether users who can bind roles can give it without having its permissions themselves.
    Only an admin can set this."""


class RoleChange(RequestBody):
    """Changes to a role (JSON merge patch); omitted fields stay as they are."""

    name: Identifier = unsaid()
    """Unique within the tenant, regardless of case."""
    description: Said | None = None
    permissions: Listed = unsaid()
    """Replaces the whole list. You must have every permission on the old list and the new one."""
    unprivileged: bool = unsaid()
    """Whether users who can bind roles can give it without having its permissions themselves.
    Only an admin can set this."""
    status: Literal["active", "inactive"] = unsaid()
    """An inactive role gives its users no permissions."""


def _body(view: RoleView) -> RoleBody:
    role = view.role
    return RoleBody.model_validate(
        {
            "id": role.id,
            "name": role.name,
            "description": role.description,
            "status": role.status,
            "builtin": role.builtin,
            "unprivileged": role.unprivileged,
            "permissions": list(view.permissions),
            "created_at": role.created_at,
            "updated_at": role.updated_at,
            "etag": etag_of(role),
        }
    )


async def list_roles(call: Call[None, PageQuery]) -> Reply:
    page = await roles.list_page(call.session, cut_of(LIST, call.query))
    after = token_of(LIST, call.query, page.next_after)
    return Reply(RolePage(results=[_body(view) for view in page.rows], next_page_token=after))


async def get_role(call: Call[None, Query]) -> Reply:
    body = _body(await roles.find(call.session, id_in(call.request, "role_id")))
    return Reply(body, {"ETag": body.etag})


async def create_role(call: Call[NewRole, Query]) -> Reply:
    asked = call.body
    values = asked.model_dump(include={"name", "description", "unprivileged"})
    body = _body(await roles.create(call.session, call.caller, values, asked.permissions))
    where = {"Location": f"{LIST}/{body.id}", "ETag": body.etag}
    return Reply(body, where, Subject("role", body.id), detail=_logged(body))


async def update_role(call: Call[RoleChange, Query]) -> Reply:
    before = await roles.find(call.session, id_in(call.request, "role_id"), locked=True)
    values = call.body.model_dump(exclude_unset=True)
    listed = values.pop("permissions", None)
    await roles.judge(call.session, before, values, listed)
    check_match(call.request, before.role)
    body = _body(await roles.change(call.session, call.caller, before, values, listed))
    detail = {**_logged(body), "before": list(before.permissions)}
    return Reply(body, {"ETag": body.etag}, Subject("role", body.id), detail=detail)


async def delete_role(call: Call[None, Query]) -> Reply:
    before = await roles.find(call.session, id_in(call.request, "role_id"), locked=True)
    check_match(call.request, before.role)
    body = _body(before)
    await roles.delete(call.session, call.caller, before)
    return Reply(body, subject=Subject("role", body.id), detail=_logged(body))


def _logged(body: RoleBody) -> dict[str, object]:
    """Return what the activity log records about a role."""
    return body.model_dump(include={"name", "permissions", "unprivileged", "status"})


async def list_permissions(call: Call[None, PageQuery]) -> Reply:
    page = await roles.permissions_page(call.session, cut_of(PERMISSIONS, call.query))
    results = [PermissionBody.model_validate(one, from_attributes=True) for one in page.rows]
    after = token_of(PERMISSIONS, call.query, page.next_after)
    return Reply(PermissionPage(results=results, next_page_token=after))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path=PERMISSIONS,
        permission="rbac.read",
        tag=ACCESS,
        summary="List the permissions that a role can include",
        answers=PermissionPage,
        query=PageQuery,
        act=list_permissions,
    ),
    Endpoint(
        method="GET",
        path=LIST,
        permission="rbac.read",
        tag=ACCESS,
        summary="List roles",
        answers=RolePage,
        query=PageQuery,
        act=list_roles,
    ),
    Endpoint(
        method="POST",
        path=LIST,
        permission="rbac.roles.create",
        tag=ACCESS,
        summary="Create a role",
        answers=RoleBody,
        status=201,
        body=NewRole,
        refuses=(NameTaken,),
        act=create_role,
    ),
    Endpoint(
        method="GET",
        path=ONE,
        permission="rbac.read",
        target=Target.ROLE,
        tag=ACCESS,
        summary="Get a role",
        answers=RoleBody,
        act=get_role,
    ),
    Endpoint(
        method="PATCH",
        path=ONE,
        permission="rbac.roles.update",
        target=Target.ROLE,
        tag=ACCESS,
        summary="Change a role",
        description="The change applies to the role's users at once. `permissions` replaces the "
        "whole list.",
        answers=RoleBody,
        body=RoleChange,
        refuses=(NameTaken, PreconditionFailed),
        act=update_role,
    ),
    Endpoint(
        method="DELETE",
        path=ONE,
        permission="rbac.roles.delete",
        target=Target.ROLE,
        tag=ACCESS,
        summary="Delete a role that is not in use",
        answers=RoleBody,
        refuses=(RoleInUse, PreconditionFailed),
        act=delete_role,
    ),
)
