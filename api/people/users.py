"""``/v1/me`` and ``/v1/users``: the people of a tenant, and their own roles."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from api.http.endpoint import Call, Endpoint, Reply, Subject
from api.http.fields import Identifier
from api.http.pagination import PageQuery, cut_of, token_of
from api.http.validation import Query, RequestBody, ResponseBody, id_in
from api.tags import USERS
from cks.db.access.decisions import Target
from cks.db.models.users import User
from cks.db.people import users
from cks.domain.access.permissions import BIND
from cks.domain.refusals import LastAdmin

LIST = "/v1/users"
ONE = "/v1/users/{user_id}"


class UserBody(ResponseBody):
    """A user."""

    id: UUID
    email: str
    name: str
    avatar: str | None
    role: str
    """The user's own role, which applies to the whole tenant; grants add to it."""
    status: Literal["active", "inactive", "suspended", "pending"]
    tenant_id: UUID
    last_login: datetime | None
    join_date: datetime


class UserPage(ResponseBody):
    results: list[UserBody]
    next_page_token: str | None


class UserChange(RequestBody):
    """Changes to a user (JSON merge patch)."""

    role: Identifier
    """The name of one of the tenant's roles."""


def user_body(user: User) -> UserBody:
    return UserBody.model_validate(user, from_attributes=True)


async def get_me(call: Call[None, Query]) -> Reply:
    return Reply(user_body(await users.find(call.session, call.caller.user_id)))


async def list_users(call: Call[None, PageQuery]) -> Reply:
    page = await users.list_page(call.session, cut_of(LIST, call.query))
    after = token_of(LIST, call.query, page.next_after)
    return Reply(UserPage(results=[user_body(user) for user in page.rows], next_page_token=after))


async def get_user(call: Call[None, Query]) -> Reply:
    return Reply(user_body(await users.find(call.session, id_in(call.request, "user_id"))))


async def update_user(call: Call[UserChange, Query]) -> Reply:
    user_id = id_in(call.request, "user_id")
    user = await users.change_role(call.session, call.caller, user_id, call.body.role)
    return Reply(user_body(user), subject=Subject("user", user.id), detail={"role": user.role})


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/me",
        permission=None,
        why_open="you can always see yourself",
        tag=USERS,
        summary="Get the current user",
        answers=UserBody,
        act=get_me,
    ),
    Endpoint(
        method="GET",
        path=LIST,
        permission="users.read",
        tag=USERS,
        summary="List users, newest first",
        answers=UserPage,
        query=PageQuery,
        act=list_users,
    ),
    Endpoint(
        method="GET",
        path=ONE,
        permission="users.read",
        target=Target.USER,
        tag=USERS,
        summary="Get a user",
        answers=UserBody,
        act=get_user,
    ),
    Endpoint(
        method="PATCH",
        path=ONE,
        permission=BIND,
        target=Target.USER,
        tag=USERS,
        summary="Change a user's own role",
        description="You must be allowed to give both the old role and the new one. You cannot "
        "change your own role. A tenant always keeps at least one admin (409 `last_admin`).",
        answers=UserBody,
        body=UserChange,
        refuses=(LastAdmin,),
        act=update_user,
    ),
)
