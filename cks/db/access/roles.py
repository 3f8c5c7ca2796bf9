"""Roles and their permissions.  Each query runs inside a tenant's transaction.

To create or change a role, one needs all of its permissions: to change it is to give to everybody
who has it.  A role that manages users or access, or that others may give without having its
permissions, requires an admin.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from cks.db.access import decisions
from cks.db.access.decisions import Target
from cks.db.connections import constraint_of
from cks.db.models.rbac import RbacPermission, RbacRole, RbacUserRole
from cks.db.models.users import User
from cks.db.pages import Cut, Page, fetch
from cks.db.session import driver
from cks.domain.access.permissions import ADMIN, Caller, is_privileged, opens
from cks.domain.refusals import Fault, Forbidden, Invalid, NameTaken, NotFound, RoleInUse

LISTED = sa.text("""
SELECT rp.role_id, p.name FROM rbac_role_permissions rp
  JOIN rbac_permissions p ON p.id = rp.permission_id
 WHERE rp.role_id = ANY (:roles) ORDER BY p.name
""")
LET = """
WITH gone AS (
    DELETE FROM rbac_role_permissions rp USING rbac_permissions p
     WHERE rp.role_id = $2 AND p.id = rp.permission_id AND p.name <> ALL ($3::text[])
)
INSERT INTO rbac_role_permissions (tenant_id, role_id, permission_id)
SELECT $1, $2, p.id FROM rbac_permissions p WHERE p.name = ANY ($3::text[]) ON CONFLICT DO NOTHING
"""
LACKING = """
SELECT p FROM unnest($2::text[]) p WHERE NOT EXISTS (
    SELECT FROM allowing($1, p, NULL, NULL) a WHERE a.expires_at IS NULL OR NOT $3)
 ORDER BY p
"""
IS_ADMIN = "SELECT is_admin($1, NULL, NULL, NULL)"
FORGET_EXPIRED = sa.text(
    "DELETE FROM rbac_user_roles WHERE role_id = :role AND expires_at <= now()"
)
RULING = "a role that manages users or access"
MOST_NAMED = 50
"""How many of a role's users the refusal to delete it lists, at most."""


@dataclass(frozen=True, slots=True)
class RoleView:
    """A role with what it lists, in order."""

    role: RbacRole
    permissions: Sequence[str]

    @property
    def name(self) -> str:
        return self.role.name


async def list_page(session: AsyncSession, cut: Cut) -> Page[RoleView]:
    """Return a page of the tenant's roles, the newest first."""
    page = await fetch(session, sa.select(RbacRole), RbacRole.id, cut)
    return Page(await _views(session, page.rows), page.next_after)


async def find(session: AsyncSession, role_id: UUID, *, locked: bool = False) -> RoleView:
    """Return a role, or raise ``NotFound``; ``locked``: until this transaction ends."""
    query = sa.select(RbacRole).where(RbacRole.id == role_id)
    found = await session.scalar(query.with_for_update() if locked else query)
    if found is None:
        raise NotFound(Target.ROLE.lost)
    return (await _views(session, [found]))[0]


async def named(session: AsyncSession, name: str) -> RoleView:
    """Return the role of that name; raise ``Invalid`` for the field ``role`` if there is none.

    Nobody changes it before this transaction ends: what was checked is what is given.
    """
    query = sa.select(RbacRole).where(RbacRole.name == name).with_for_update(read=True)
    found = await session.scalar(query)
    if found is None:
        raise Invalid([Fault("/role", "unknown_role", "is not a role of the tenant")])
    return (await _views(session, [found]))[0]


async def _views(session: AsyncSession, roles: Sequence[RbacRole]) -> list[RoleView]:
    listed: dict[UUID, list[str]] = {role.id: [] for role in roles}
    for row in await session.execute(LISTED, {"roles": list(listed)}):
        listed[row.role_id].append(row.name)
    return [RoleView(role, listed[role.id]) for role in roles]


async def permissions_page(session: AsyncSession, cut: Cut) -> Page[RbacPermission]:
    """Return a page of the catalogue of permissions."""
    return await fetch(session, sa.select(RbacPermission), RbacPermission.id, cut)


async def permission_names(session: AsyncSession) -> set[str]:
    """Return the names of all permissions."""
    return set(await session.scalars(sa.select(RbacPermission.name)))


async def create(
    session: AsyncSession, caller: Caller, values: Mapping[str, object], listed: Iterable[str]
) -> RoleView:
    """Create a custom role; ``values`` are ``name description unprivileged``.

    Raise ``Forbidden`` for permissions that the caller lacks, ``NameTaken``, and ``Invalid`` for
    unknown permissions and for an unprivileged role that manages users or access.
    """
    wanted = sorted(set(listed))
    await _check_known(session, listed)
    _check_mark(bool(values["unprivileged"]), wanted)
    await _check_held(session, caller, wanted, for_ever=False)
    await _check_ruling(session, caller, wanted, marked=bool(values["unprivileged"]))
    role = RbacRole(id=uuid7(), tenant_id=caller.tenant_id, builtin=False, **values)
    session.add(role)
    await _write(session, role, wanted)
    return RoleView(role, wanted)


async def judge(
    session: AsyncSession,
    before: RoleView,
    values: Mapping[str, object],
    listed: Sequence[str] | None,
) -> None:
    """Raise ``Invalid`` for a change that is wrong regardless of the caller."""
    await _check_known(session, listed or ())
    wanted = before.permissions if listed is None else listed
    _check_mark(bool(values.get("unprivileged", before.role.unprivileged)), wanted)


async def change(
    session: AsyncSession,
    caller: Caller,
    before: RoleView,
    values: Mapping[str, object],
    listed: Sequence[str] | None,
) -> RoleView:
    """Change a role that is locked: ``values`` as in ``create``; what it lists, unless ``None``.

    Call ``judge`` first.  Raise ``Forbidden`` and ``NameTaken`` as ``create`` does; the caller
    needs all permissions that it has and had, without an expiry.
    """
    _check_own(before)
    wanted = sorted(set(before.permissions if listed is None else listed))
    role, marked = before.role, before.role.unprivileged
    for name, value in values.items():
        setattr(role, name, value)
    every = sorted({*before.permissions, *wanted})
    await _check_held(session, caller, every, for_ever=True)
    await _check_ruling(session, caller, every, marked=marked or role.unprivileged)
    role.generation += 1
    role.updated_at = sa.func.now()
    async with decisions.an_admin_stays(
        session
    ):  # its users' rows name the role, and follow a new name
        await _write(session, role, wanted)
    return RoleView(role, wanted)


async def delete(session: AsyncSession, caller: Caller, before: RoleView) -> None:
    """Delete a locked role; expired grants of it do not prevent that.

    Raise ``RoleInUse`` if somebody has it, and ``Forbidden`` as ``change`` does.
    """
    _check_own(before)
    await _check_held(session, caller, before.permissions, for_ever=True)
    await _check_ruling(session, caller, before.permissions, marked=before.role.unprivileged)
    role_id = before.role.id
    await session.execute(FORGET_EXPIRED, {"role": role_id})
    users = sa.select(RbacUserRole.user_id).where(RbacUserRole.role_id == role_id)
    own = sa.select(User.id).where(User.role == before.name)
    found = sorted({*await session.scalars(users), *await session.scalars(own)})
    if found:
        raise await _in_use(session, caller, found)
    await session.delete(before.role)  # no grant can come in between: see ``named``
    await session.flush()


async def _in_use(session: AsyncSession, caller: Caller, users: Sequence[UUID]) -> RoleInUse:
    """Return the refusal with a role's users, by address if the caller may see users."""
    params = [{"id": str(user)} for user in users[:MOST_NAMED]]
    if await decisions.may(session, caller, "users.read"):
        query = sa.select(User.id, User.email).where(User.id.in_(users[:MOST_NAMED]))
        rows = await session.execute(query.order_by(User.id))
        params = [{"id": str(row.id), "email": row.email} for row in rows]
    count = len(users)
    detail = "1 user has this role."
    if count > 1:
        detail = f"{count} users have this role."
    return RoleInUse(detail, members={"users": params, "count": count})


async def _write(session: AsyncSession, role: RbacRole, listed: Sequence[str]) -> None:
    name = role.name
    try:
        await session.flush()
    except IntegrityError as error:
        if (constraint_of(error) or "").startswith("rbac_roles_"):
            raise NameTaken(
                f"There is already a role named {name} (letter case does not matter)."
            ) from error
        raise
    await driver(session).execute(LET, role.tenant_id, role.id, listed)
    await session.refresh(role)


async def _check_known(session: AsyncSession, listed: Iterable[str]) -> None:
    known = await permission_names(session)
    faults = [
        Fault(f"/permissions/{place}", "unknown_permission", f"{name} is not a permission")
        for place, name in enumerate(listed)
        if name not in known
    ]
    if faults:
        raise Invalid(faults)


def _check_mark(unprivileged: bool, listed: Iterable[str]) -> None:  # noqa: FBT001
    if unprivileged and is_privileged(listed):
        detail = "must be false for a role that manages users or access"
        raise Invalid([Fault("/unprivileged", "privileged_role", detail)])


def _check_own(view: RoleView) -> None:
    if view.role.builtin:
        raise Forbidden("A built-in role is read-only.", members={"missing": []})


async def _check_ruling(
    session: AsyncSession, caller: Caller, listed: Sequence[str], *, marked: bool
) -> None:
    """Let only an admin manage access, and roles that others may give without having them."""
    if not (marked or is_privileged(listed)):
        return
    whole = caller.narrowed is None
    if not (whole and await driver(session).fetchval(IS_ADMIN, caller.user_id)):
        raise needs_admin("an unprivileged role" if marked else RULING)


def needs_admin(what: str, missing: Sequence[str] = ()) -> Forbidden:
    """Return the refusal for what only an admin may do, whatever permissions the caller has."""
    members = {"missing": list(missing), "needs_role": ADMIN}
    return Forbidden(f"Only an admin can manage {what}.", members=members)


async def _check_held(
    session: AsyncSession, caller: Caller, listed: Sequence[str], *, for_ever: bool
) -> None:
    params = (caller.user_id, listed, for_ever)
    unheld = {row[0] for row in await driver(session).fetch(LACKING, *params)}
    kept = {name for name in listed if not opens(caller.narrowed, name)}
    if missing := sorted(unheld | kept):
        raise lacking(missing)


def lacking(missing: Sequence[str]) -> Forbidden:
    """Return the refusal for giving, or taking away, permissions that the caller lacks."""
    names = ", ".join(missing)
    detail = f"You lack permissions of the role, in this scope or for as long: {names}."
    return Forbidden(detail, members={"missing": list(missing)})
