"""Random tenants, and who may do what in them by a model of sets that knows no SQL."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from cks.db.models.clusters import Cluster
from cks.db.models.namespaces import Namespace
from cks.db.models.operations import Operation
from cks.db.models.rbac import RbacPermission, RbacRole, RbacRolePermission, RbacUserRole
from cks.db.models.users import User
from cks.domain.access.permissions import PERMISSIONS, Scope, is_privileged

WIDTH = list(Scope)
NOW = datetime.now(UTC)
PAST, FUTURE = NOW - timedelta(days=1), NOW + timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Role:
    name: str
    permissions: frozenset[str]
    active: bool = True
    tenant_wide: bool = True
    unprivileged: bool = False
    builtin: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    role: UUID
    active: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is; of a namespace, ``cluster`` is the one that it is in."""

    cluster: UUID | None = None
    namespace: UUID | None = None

    @property
    def scope(self) -> Scope:
        if self.namespace:
            return Scope.NAMESPACE
        return Scope.CLUSTER if self.cluster else Scope.TENANT

    def covers(self, other: "Place") -> bool:
        if self.namespace:
            return self == other
        return self.cluster in (None, other.cluster)


@dataclass(frozen=True, slots=True)
class Grant:
    person: UUID
    role: UUID
    place: Place
    expires_at: datetime | None


@dataclass(slots=True)
class World:
    """One tenant, and all that its people were given."""

    tenant: UUID
    roles: dict[UUID, Role] = field(default_factory=dict)
    people: dict[UUID, Person] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    operations: dict[UUID, tuple[UUID, Place]] = field(default_factory=dict)

    @property
    def clusters(self) -> list[UUID]:
        return [p.cluster for p in self.places if p.cluster and not p.namespace]

    def bound(self, person: UUID, at: datetime = NOW) -> Iterator[tuple[Role, Place]]:
        """Yield what counts, at an instant, of all that somebody was given."""
        who = self.people[person]
        given = [(who.role, Place())]
        given += [
            (grant.role, grant.place)
            for grant in self.grants
            if grant.person == person and (grant.expires_at is None or grant.expires_at > at)
        ]
        for role_id, place in given if who.active else ():
            role = self.roles[role_id]
            if role.active and (place.cluster or role.tenant_wide):
                yield role, place

    def may(self, person: UUID, permission: str, place: Place, at: datetime = NOW) -> bool:
        return any(
            permission in role.permissions
            and WIDTH.index(bound.scope) <= WIDTH.index(PERMISSIONS[permission].scope)
            and bound.covers(place)
            for role, bound in self.bound(person, at)
        )

    def clusters_seen(self, person: UUID, permission: str) -> set[UUID]:
        return {one for one in self.clusters if self.may(person, permission, Place(one))}

    def operations_seen(self, person: UUID, permission: str) -> set[UUID]:
        return {
            one
            for one, (actor, place) in self.operations.items()
            if actor == person or self.may(person, permission, place)
        }


def imagine(
    chance: random.Random, tenant: UUID, builtin: Mapping[UUID, Role] | None = None
) -> World:
    """Make a world up, beside the built-in roles of its tenant, if they are to be of it."""
    world = World(tenant, dict(builtin or {}))
    names = sorted(PERMISSIONS)
    for number in range(8):
        listed = frozenset(chance.sample(names, chance.randint(0, 6)))
        world.roles[uuid7()] = Role(
            f"r{number}",
            listed,
            active=chance.random() < 0.8,
            tenant_wide=chance.random() < 0.8,
            unprivileged=not is_privileged(listed) and chance.random() < 0.4,
        )
    roles = [*world.roles]
    for _ in range(12):
        world.people[uuid7()] = Person(chance.choice(roles), active=chance.random() < 0.85)
    for _ in range(6):
        cluster = uuid7()
        world.places += [Place(cluster), *(Place(cluster, uuid7()) for _ in range(2))]
    seen = set()
    for _ in range(60):
        key = chance.choice([*world.people]), chance.choice(roles), _somewhere(chance, world)
        if key not in seen:
            seen.add(key)
            world.grants.append(Grant(*key, chance.choice([None, None, PAST, FUTURE])))
    for _ in range(40):
        actor = chance.choice([*world.people])
        world.operations[uuid7()] = actor, chance.choice(world.places)
    return world


BUSY = {"rbac.roles.bind": 3, "rbac.roles.create": 2, "rbac.roles.update": 2, "clusters.read": 2}
"""Permission → how many must hold it in the whole tenant, so that there is something to try."""


def imagine_lively(number: int, tenant: UUID, builtin: Mapping[UUID, Role] | None = None) -> World:
    """Make the ``number``-th world up, anew until enough may be done in it.

    Which worlds are lively changes with the catalogue of permissions; that they are, does not.
    """
    for again in count():
        world = imagine(random.Random(number + 1000 * again), tenant, builtin)  # noqa: S311
        if all(_holders(world, name) >= many for name, many in BUSY.items()):
            return world
    raise AssertionError("counting has no end")


def _holders(world: World, permission: str) -> int:
    return sum(world.may(one, permission, Place()) for one in world.people)


def _somewhere(chance: random.Random, world: World) -> Place:
    return Place() if chance.random() < 0.2 else chance.choice(world.places)


async def build(connection: AsyncConnection, world: World) -> None:
    """Write a world down; its tenant is there."""
    tenant = {"tenant_id": world.tenant}
    rows = await connection.execute(sa.select(RbacPermission.name, RbacPermission.id))
    ids: Mapping[str, UUID] = {row.name: row.id for row in rows}
    for role_id, role in world.roles.items():
        if role.builtin:
            continue
        values = {
            "name": role.name,
            "status": "active" if role.active else "inactive",
            "tenant_wide": role.tenant_wide,
            "unprivileged": role.unprivileged,
        }
        await connection.execute(sa.insert(RbacRole).values(id=role_id, **tenant, **values))
        if role.permissions:
            listed = [{"role_id": role_id, "permission_id": ids[p]} for p in role.permissions]
            await connection.execute(sa.insert(RbacRolePermission).values(tenant), listed)
    people = [
        {
            "id": person_id,
            "email": f"{person_id}@w.test",
            "name": "w",
            "role": world.roles[person.role].name,
            "status": "active" if person.active else "suspended",
        }
        for person_id, person in world.people.items()
    ]
    await connection.execute(sa.insert(User), [{**tenant, **person} for person in people])
    await _build_places(connection, world)
    grants = [
        {
            "id": uuid7(),
            "user_id": grant.person,
            "role_id": grant.role,
            "cluster_id": grant.place.cluster,
            "namespace_id": grant.place.namespace,
            "expires_at": grant.expires_at,
        }
        for grant in world.grants
    ]
    await connection.execute(sa.insert(RbacUserRole), [{**tenant, **grant} for grant in grants])


async def _build_places(connection: AsyncConnection, world: World) -> None:
    tenant = {"tenant_id": world.tenant}
    named = {"status": "pending", "version": "1.35.8", "networking": {}}
    clusters = [{"id": one, "name": f"c{one.hex}", **named} for one in world.clusters]
    await connection.execute(sa.insert(Cluster), [{**tenant, **one} for one in clusters])
    namespaces = [
        {"id": p.namespace, "cluster_id": p.cluster, "name": f"n{p.namespace.hex}"}
        for p in world.places
        if p.namespace
    ]
    await connection.execute(
        sa.insert(Namespace), [{**tenant, **one, "status": "active"} for one in namespaces]
    )
    operations = [
        {
            "id": one,
            "type": f"{place.scope}.create",
            "status": "pending",
            "resource_type": str(place.scope),
            "resource_id": place.namespace or place.cluster,
            "cluster_id": place.cluster,
            "actor_id": actor,
            "created_by": actor,
        }
        for one, (actor, place) in world.operations.items()
    ]
    await connection.execute(sa.insert(Operation), [{**tenant, **one} for one in operations])


async def read_roles(connection: AsyncConnection, tenant: UUID) -> dict[UUID, Role]:
    """Return a tenant's roles as they are now."""
    listed: dict[UUID, set[str]] = {}
    query = sa.select(RbacRolePermission.role_id, RbacPermission.name).join(
        RbacPermission, RbacPermission.id == RbacRolePermission.permission_id
    )
    for row in await connection.execute(query.where(RbacRolePermission.tenant_id == tenant)):
        listed.setdefault(row.role_id, set()).add(row.name)
    rows = await connection.execute(sa.select(RbacRole).where(RbacRole.tenant_id == tenant))
    return {
        row.id: Role(
            row.name,
            frozenset(listed.get(row.id, ())),
            active=row.status == "active",
            tenant_wide=row.tenant_wide,
            unprivileged=row.unprivileged,
            builtin=row.builtin,
        )
        for row in rows
    }


async def read_again(connection: AsyncConnection, world: World) -> World:
    """Return a world as it is now: its roles, its people and what they were given."""
    roles = await read_roles(connection, world.tenant)
    by_name = {role.name: one for one, role in roles.items()}
    people = await connection.execute(sa.select(User).where(User.tenant_id == world.tenant))
    own = RbacUserRole.tenant_id == world.tenant
    grants = await connection.execute(sa.select(RbacUserRole).where(own))
    return World(
        tenant=world.tenant,
        roles=roles,
        people={row.id: Person(by_name[row.role], row.status == "active") for row in people},
        places=world.places,
        grants=[
            Grant(row.user_id, row.role_id, Place(row.cluster_id, row.namespace_id), row.expires_at)
            for row in grants
        ],
    )
