"""Grants: who has which role where, and who may give and take it.

Each query runs inside a tenant's transaction.  A grant is deleted with its user, its cluster or
its namespace, and stops counting when it expires.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from cks.db.access import decisions, roles
from cks.db.access.decisions import Target
from cks.db.access.roles import RoleView
from cks.db.models.clusters import Cluster
from cks.db.models.namespaces import Namespace
from cks.db.models.rbac import RbacRole, RbacUserRole
from cks.db.pages import Cut, Page, fetch
from cks.db.session import driver
from cks.domain.access.permissions import BIND, Caller, Place, is_privileged, opens
from cks.domain.instants import rfc3339, rfc3339_or_none
from cks.domain.refusals import Fault, Forbidden, GrantExists, Invalid, NotFound

HANDING_OUT = """
SELECT ARRAY(SELECT m.permission FROM missing_to_bind($1, $2, $3, $4, $5) m) AS missing,
       is_admin($1, $3, $4, $5) AS admin,
       EXISTS (SELECT FROM allowing($1, $6, $3, $4) a
                WHERE coalesce(a.expires_at, 'infinity') >= coalesce($5, 'infinity')) AS binds,
       (SELECT max(a.expires_at) FROM allowing($1, $6, $3, $4) a) AS binds_until
"""
SAME = """
 FROM rbac_user_roles
 WHERE user_id = $1 AND role_id = $2 AND cluster_id IS NOT DISTINCT FROM $3
   AND namespace_id IS NOT DISTINCT FROM $4
"""
FORGET = f"DELETE {SAME} AND expires_at <= now()"
FIND = f"SELECT id {SAME}"
GIVE = """
INSERT INTO rbac_user_roles (
    id, tenant_id, user_id, role_id, cluster_id, namespace_id, expires_at, granted_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING id
"""


@dataclass(frozen=True, slots=True)
class GrantInput:
    """A role by its name, where, and until when (``None``: for ever)."""

    role: str
    place: Place
    until: datetime | None


@dataclass(frozen=True, slots=True)
class GrantView:
    """A grant with the name of its role."""

    grant: RbacUserRole
    role: str


async def list_page(session: AsyncSession, user_id: UUID, cut: Cut) -> Page[GrantView]:
    """Return a page of a user's grants, including expired ones; the newest first."""
    query = sa.select(RbacUserRole).where(RbacUserRole.user_id == user_id)
    page = await fetch(session, query, RbacUserRole.id, cut)
    used = {grant.role_id for grant in page.rows}
    rows = await session.execute(sa.select(RbacRole.id, RbacRole.name).where(RbacRole.id.in_(used)))
    names = {row.id: row.name for row in rows}
    return Page([GrantView(grant, names[grant.role_id]) for grant in page.rows], page.next_after)


async def bind(
    session: AsyncSession, caller: Caller, user_id: UUID, asked: GrantInput, at: datetime
) -> GrantView:
    """Give an existing user a role in a scope; ``at`` is the transaction's time.

    Raise ``Invalid`` for an unknown scope or role, ``Forbidden`` for permissions that the caller
    lacks, and ``GrantExists``.
    """
    check_not_own(caller, user_id)
    role = await _judged(session, caller, asked, at)
    await check_handing_out(session, caller, role, asked.place, asked.until)
    where = (asked.place.cluster_id, asked.place.namespace_id)
    connection, what = driver(session), (user_id, role.role.id, *where)
    # An expired grant of the same role there would still occupy the unique key.
    await connection.execute(FORGET, *what)
    params = (uuid7(), caller.tenant_id, *what, asked.until, caller.user_id)
    try:
        made = await connection.fetchval(GIVE, *params)
    except asyncpg.ForeignKeyViolationError as error:  # it was deleted meanwhile
        if "user_id" in (error.constraint_name or ""):
            raise NotFound(Target.USER.lost) from error
        raise _no_place(asked.place) from error
    if made is None:
        raise await _exists(session, *what)
    return GrantView(await session.get_one(RbacUserRole, made), role.name)


async def _judged(
    session: AsyncSession, caller: Caller, asked: GrantInput, at: datetime
) -> RoleView:
    """Return the requested role; raise ``Invalid`` with everything that is wrong."""
    faults: list[Fault] = []
    role = None
    try:
        role = await roles.named(session, asked.role)
    except Invalid as unknown:
        faults += unknown.faults
    try:
        await _check_place(session, caller, asked.place)
    except Invalid as nowhere:
        faults += nowhere.faults
    if asked.until and asked.until <= at:
        faults.append(Fault("/expires_at", "out_of_range", "is in the past"))
    if role is None or faults:
        raise Invalid(faults)
    return role


async def _exists(session: AsyncSession, *what: UUID | None) -> GrantExists:
    found = await driver(session).fetchval(FIND, *what)
    detail = "The user already has this role there; revoke that grant to give it with another end."
    return GrantExists(detail, members={"grant_id": str(found)})


async def revoke(session: AsyncSession, caller: Caller, user_id: UUID, grant_id: UUID) -> GrantView:
    """Take a grant away; whoever may give it may do so.

    Raise ``NotFound``, ``Forbidden``, ``LastAdmin``.
    """
    found = await session.get(RbacUserRole, grant_id, with_for_update=True)
    if found is None or found.user_id != user_id:
        raise NotFound(Target.GRANT.lost)
    check_not_own(caller, user_id)
    role = await roles.find(session, found.role_id)
    place = Place(found.cluster_id, found.namespace_id)
    await check_handing_out(session, caller, role, place, found.expires_at)
    await session.delete(found)
    async with decisions.an_admin_stays(session):
        await session.flush()
    return GrantView(found, role.name)


def check_not_own(caller: Caller, user_id: UUID) -> None:
    """Raise ``Forbidden`` if callers would change their own permissions."""
    if caller.user_id == user_id:
        detail = "You cannot change your own role or grants; ask someone else."
        raise Forbidden(detail, members={"missing": []})


async def check_handing_out(
    session: AsyncSession, caller: Caller, role: RoleView, place: Place, until: datetime | None
) -> None:
    """Raise ``Forbidden`` unless a caller may give a role there, until then (``None``: for ever).

    They need the permission to bind, and all of the role's permissions unless it is unprivileged.
    A role that manages users or access requires an admin.
    """
    where = (place.cluster_id, place.namespace_id, until)
    params = (caller.user_id, role.role.id, *where, BIND)
    held = await driver(session).fetchrow(HANDING_OUT, *params)
    if not held["binds"]:
        raise _cannot_bind(held["binds_until"])
    if role.role.unprivileged:
        return
    kept = {name for name in role.permissions if not opens(caller.narrowed, name)}
    missing = sorted(kept | set(held["missing"]))
    if is_privileged(role.permissions) and (caller.narrowed is not None or not held["admin"]):
        raise roles.needs_admin(roles.RULING, missing)
    if missing:
        raise roles.lacking(missing)


def _cannot_bind(until: datetime | None) -> Forbidden:
    """Return the refusal for callers who may not bind there, or not for as long."""
    members = {"missing": [BIND], "held_until": rfc3339_or_none(until)}
    if until is None:
        return Forbidden(f"The permission {BIND} is required in this scope.", members=members)
    detail = f"Your permission {BIND} in this scope expires at {rfc3339(until)}, before this grant."
    return Forbidden(detail, members=members)


async def check_seen(session: AsyncSession, caller: Caller, place: Place) -> None:
    """Raise ``Invalid`` for an unknown scope, if the caller would be allowed to see it."""
    seen = place.cluster_id and await _sees(session, caller, Place(place.cluster_id))
    if seen and not await _is_there(session, place):
        raise _no_place(place)


async def _check_place(session: AsyncSession, caller: Caller, place: Place) -> None:
    """Raise ``Invalid`` for a scope that does not exist, or that the caller cannot see."""
    if place.cluster_id is None:
        return
    if not (await _is_there(session, place) and await _sees(session, caller, place)):
        raise _no_place(place)


async def _is_there(session: AsyncSession, place: Place) -> bool:
    inside = await session.scalar(sa.select(Cluster.id).where(Cluster.id == place.cluster_id))
    if place.namespace_id is not None:
        within = Namespace.cluster_id == place.cluster_id
        query = sa.select(Namespace.id).where(Namespace.id == place.namespace_id, within)
        inside = inside and await session.scalar(query)
    return inside is not None


async def _sees(session: AsyncSession, caller: Caller, place: Place) -> bool:
    reading = "clusters.read" if place.namespace_id is None else "namespaces.read"
    for permission in (reading, BIND):
        if await decisions.may(session, caller, permission, place):
            return True
    return False


def _no_place(place: Place) -> Invalid:
    if place.namespace_id:
        return Invalid([Fault("/namespace_id", "unknown_namespace", "does not exist")])
    return Invalid([Fault("/cluster_id", "unknown_cluster", "does not exist")])
