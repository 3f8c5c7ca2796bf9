"""``/v1/tenant``: the caller's own tenant."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, StringConstraints

from api.http.endpoint import Call, Endpoint, Reply, Subject
from api.http.fields import SAID
from api.http.validation import Query, RequestBody, ResponseBody, demand, unsaid
from api.tags import TENANT
from cks.db.models.tenants import Tenant
from cks.db.tenants import settings
from cks.domain.instants import zones
from cks.domain.refusals import Fault

PATH = "/v1/tenant"


def _known_zone(name: str) -> str:
    if name not in zones():
        detail = "is not a time zone; use a name such as Europe/Berlin"
        demand([Fault("", "unknown_time_zone", detail)])
    return name


class TenantBody(ResponseBody):
    """A tenant."""

    id: UUID
    name: str
    status: Literal["active", "suspended"]
    """A suspended tenant is read-only."""
    timezone: str
    """The time zone in which billing periods begin and end."""
    currency: str
    billing_cycle: Literal["month", "day"]
    created_at: datetime
    updated_at: datetime


class TenantChange(RequestBody):
    """Changes to the tenant (JSON merge patch); omitted fields stay as they are."""

    name: Annotated[str, StringConstraints(pattern=SAID, max_length=128)] = unsaid()
    timezone: Annotated[str, AfterValidator(_known_zone)] = unsaid()
    """A name from the IANA time zone database. Takes effect with the next billing period."""
    billing_cycle: Literal["month", "day"] = unsaid()
    """Takes effect with the next billing period."""


async def get_tenant(call: Call[None, Query]) -> Reply:
    return Reply(_body(await settings.read(call.session, call.caller)))


async def update_tenant(call: Call[TenantChange, Query]) -> Reply:
    changes = call.body.model_dump(exclude_unset=True)
    tenant = await settings.change(call.session, call.caller, changes)
    return Reply(_body(tenant), subject=Subject("tenant", tenant.id))


def _body(tenant: Tenant) -> TenantBody:
    return TenantBody.model_validate(tenant, from_attributes=True)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path=PATH,
        permission="tenant.read",
        tag=TENANT,
        summary="Get the tenant's settings",
        answers=TenantBody,
        act=get_tenant,
    ),
    Endpoint(
        method="PATCH",
        path=PATH,
        permission="tenant.update",
        tag=TENANT,
        summary="Change the tenant's settings",
        answers=TenantBody,
        body=TenantChange,
        act=update_tenant,
    ),
)
