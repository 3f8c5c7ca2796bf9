"""Creates and lists tenants, users and tokens: the operators' bootstrap, never an HTTP route.

A tenant is created with its built-in roles, its quotas and its first admin in one transaction, so
that no tenant ever lacks a user.  Every change writes a row to the activity log, as the last
statement of its transaction.
"""

import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from cks.db.activity_log import log_by_hand
from cks.db.admin.connection import NotDone, as_owner
from cks.db.connections import constraint_of
from cks.db.models.rbac import RbacPermission, RbacRole, RbacRolePermission
from cks.db.models.tenants import PLATFORM, Quota, Tenant
from cks.db.models.users import User, UserToken
from cks.domain.access.permissions import ADMIN, PERMISSIONS, ROLES
from cks.domain.instants import zones
from cks.domain.people import tokens
from cks.domain.tenants.quotas import DEFAULTS

SECRET_BITS = 192
SHOWN = 12
ADDRESS = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
CURRENCY = re.compile(r"[A-Z]{3}")
CLOSED = "closed"
NAMING = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('cks tenant names', 0))")
"""Held from checking a name until its tenant is inserted: two may be created concurrently."""


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A tenant to create.  ``timezone`` is an IANA name, ``currency`` ISO 4217."""

    name: str
    admin_email: str
    timezone: str = "UTC"
    currency: str = "USD"
    billing_cycle: str = "month"


@dataclass(frozen=True, slots=True)
class Founded:
    """A new tenant, its first admin, and that user's token, shown only this once."""

    tenant_id: UUID
    user_id: UUID
    token: str


@dataclass(frozen=True, slots=True)
class Joined:
    user_id: UUID
    token: str


@dataclass(frozen=True, slots=True)
class Issued:
    token_id: UUID
    token: str


@dataclass(frozen=True, slots=True)
class TenantLine:
    id: UUID
    name: str
    status: str


@dataclass(frozen=True, slots=True)
class UserLine:
    id: UUID
    email: str
    role: str
    status: str


async def create_tenant(url: str, asked: NewTenant, *, unique_name: bool = False) -> Founded:
    """Create a tenant that its admin can use at once.  Raise ``NotDone`` if that fails.

    ``unique_name``: refuse the name of another tenant, unless that one is closed.
    """
    _check(asked)
    async with as_owner(url) as connection:
        if unique_name:
            await _check_unique(connection, asked.name)
        tenant_id = uuid7()
        await connection.execute(
            sa.insert(Tenant).values(
                id=tenant_id,
                name=asked.name,
                timezone=asked.timezone,
                currency=asked.currency,
                billing_cycle=asked.billing_cycle,
            )
        )
        await _grant_quotas(connection, tenant_id)
        await _make_roles(connection, tenant_id)
        user_id = await _make_user(connection, tenant_id, asked.admin_email, ADMIN)
        issued = await _issue(connection, tenant_id, user_id, "bootstrap")
        await log_by_hand(connection, tenant_id, "tenants.create", ("tenant", tenant_id))
    return Founded(tenant_id, user_id, issued.token)


async def create_user(url: str, tenant: str, email: str, role: str) -> Joined:
    """Create a user with a role and a token; ``tenant`` is an id, or a unique name."""
    async with as_owner(url) as connection:
        tenant_id = await find_tenant(connection, tenant)
        await _check_role(connection, tenant_id, role)
        user_id = await _make_user(connection, tenant_id, email, role)
        issued = await _issue(connection, tenant_id, user_id, "bootstrap")
        await log_by_hand(connection, tenant_id, "users.create", ("user", user_id))
    return Joined(user_id, issued.token)


async def create_token(
    url: str, user: str, name: str | None = None, permissions: Collection[str] = ()
) -> Issued:
    """Create a token for a user; ``user`` is an id or an email address.

    ``permissions`` narrow the token; without any, it allows everything that its user may do.
    """
    if name is not None and not 1 <= len(name.strip()) <= len(name) <= UserToken.name.type.length:
        raise NotDone("A token's name must have 1 to 64 characters.")
    if unknown := sorted(set(permissions) - PERMISSIONS.keys()):
        raise NotDone(f"Unknown permissions: {', '.join(unknown)}.")
    async with as_owner(url) as connection:
        tenant_id, user_id = await _find_user(connection, user)
        issued = await _issue(connection, tenant_id, user_id, name, permissions)
        await log_by_hand(connection, tenant_id, "tokens.create", ("token", issued.token_id))
    return issued


async def list_tenants(url: str) -> list[TenantLine]:
    """Return all tenants by name, including closed ones, without the platform tenant."""
    query = sa.select(Tenant.id, Tenant.name, Tenant.status).where(Tenant.id != PLATFORM)
    async with as_owner(url) as connection:
        rows = await connection.execute(query.order_by(Tenant.name, Tenant.id))
        return [TenantLine(*row) for row in rows]


async def list_users(url: str, tenant: str) -> list[UserLine]:
    """Return a tenant's users by address; ``tenant`` is an id, or a unique name."""
    columns = (User.id, User.email, User.role, User.status)
    async with as_owner(url) as connection:
        tenant_id = await find_tenant(connection, tenant)
        query = sa.select(*columns).where(User.tenant_id == tenant_id).order_by(User.email)
        return [UserLine(*row) for row in await connection.execute(query)]


def _check(asked: NewTenant) -> None:
    check_settings({"name": asked.name, "timezone": asked.timezone})
    if not CURRENCY.fullmatch(asked.currency):
        raise NotDone(f"{asked.currency} is not a currency; use an ISO 4217 code such as EUR.")


def check_settings(given: Mapping[str, str]) -> None:
    """Raise ``NotDone`` for an invalid name or time zone of a tenant."""
    name, zone = given.get("name", "any"), given.get("timezone", "UTC")
    if not 1 <= len(name.strip()) <= len(name) <= Tenant.name.type.length:
        raise NotDone("A tenant's name must have 1 to 128 characters.")
    if zone not in zones():
        raise NotDone(f"{zone} is not a time zone; use a name such as Europe/Berlin.")


async def _check_unique(connection: AsyncConnection, name: str) -> None:
    await connection.execute(NAMING)
    same = sa.func.lower(Tenant.name) == sa.func.lower(name)
    if found := await connection.scalar(
        sa.select(Tenant.id).where(same, Tenant.status != CLOSED).limit(1)
    ):
        raise NotDone(f"A tenant named {name} already exists: {found}.")


async def _grant_quotas(connection: AsyncConnection, tenant_id: UUID) -> None:
    rows = [
        {"tenant_id": tenant_id, "quota": quota, "maximum": maximum, "unit": unit}
        for quota, (maximum, unit) in DEFAULTS.items()
    ]
    await connection.execute(sa.insert(Quota), rows)


async def _make_roles(connection: AsyncConnection, tenant_id: UUID) -> None:
    found = await connection.execute(
        sa.select(RbacPermission.name, RbacPermission.id).where(
            RbacPermission.tenant_id == PLATFORM
        )
    )
    known = {row.name: row.id for row in found}
    for name, role in ROLES.items():
        if missing := sorted(role.permissions - known.keys()):
            raise NotDone(f"The schema lacks {', '.join(missing)}: run `cks admin migrate` first.")
        role_id = uuid7()
        await connection.execute(
            sa.insert(RbacRole).values(
                id=role_id,
                tenant_id=tenant_id,
                name=name,
                description=role.description,
                builtin=True,
                unprivileged=role.unprivileged,
                tenant_wide=role.tenant_wide,
            )
        )
        rows = [
            {"tenant_id": tenant_id, "role_id": role_id, "permission_id": known[permission]}
            for permission in sorted(role.permissions)
        ]
        await connection.execute(sa.insert(RbacRolePermission), rows)


async def _make_user(connection: AsyncConnection, tenant_id: UUID, email: str, role: str) -> UUID:
    if not ADDRESS.fullmatch(email):
        raise NotDone(f"{email} is not an email address.")
    user_id = uuid7()
    values = {"id": user_id, "tenant_id": tenant_id, "email": email, "role": role}
    try:
        await connection.execute(sa.insert(User).values(name=email.partition("@")[0], **values))
    except IntegrityError as error:
        if (constraint_of(error) or "").startswith("users_email"):
            raise NotDone(f"A user with the address {email} already exists.") from error
        raise
    return user_id


async def _issue(
    connection: AsyncConnection,
    tenant_id: UUID,
    user_id: UUID,
    name: str | None,
    permissions: Collection[str] = (),
) -> Issued:
    token_id, token = uuid7(), tokens.mint(tenant_id, secrets.randbits(SECRET_BITS))
    row = sa.insert(UserToken).values(
        id=token_id,
        tenant_id=tenant_id,
        user_id=user_id,
        name=name or f"admin-{token_id.hex[-12:]}",
        token=tokens.digest_of(token),
        prefix=token[:SHOWN],
        scopes=sorted(permissions) or None,
    )
    try:
        await connection.execute(row)
    except IntegrityError as error:
        if constraint_of(error) == "user_tokens_name_per_user":
            raise NotDone(f"The user already has a token named {name}.") from error
        raise
    return Issued(token_id, token)


async def find_tenant(connection: AsyncConnection, tenant: str) -> UUID:
    """Return the id of a tenant by its id or unique name; raise ``NotDone`` if there is none."""
    tenant_id = _uuid(tenant)
    named = sa.and_(Tenant.name == tenant, Tenant.status != CLOSED)
    same = Tenant.id == tenant_id if tenant_id else named
    query = sa.select(Tenant.id).where(same, Tenant.id != PLATFORM)
    found = list(await connection.scalars(query.order_by(Tenant.id)))
    if not found:
        raise NotDone(f"There is no tenant {tenant}.")
    if len(found) > 1:
        ids = ", ".join(map(str, found))
        raise NotDone(f"{len(found)} tenants are named {tenant}; give an id: {ids}.")
    return found[0]


async def _find_user(connection: AsyncConnection, user: str) -> tuple[UUID, UUID]:
    if not user.strip():
        raise NotDone("Give the user's id or address.")
    user_id = _uuid(user)
    same = User.id == user_id if user_id else sa.func.lower(User.email) == user.lower()
    query = sa.select(User.tenant_id, User.id).where(same)
    found = (await connection.execute(query)).one_or_none()
    if found is None:
        raise NotDone(f"There is no user {user}.")
    return found[0], found[1]


async def _check_role(connection: AsyncConnection, tenant_id: UUID, role: str) -> None:
    query = sa.select(RbacRole.name).where(RbacRole.tenant_id == tenant_id)
    names = sorted(await connection.scalars(query))
    if role not in names:
        raise NotDone(f"There is no role {role}; choose one of {', '.join(names)}.")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
