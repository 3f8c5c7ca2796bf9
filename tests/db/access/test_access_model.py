"""Who may do what, by the database and by two oracles that know nothing of it.

One is a model of sets (``tests/support/worlds.py``), the other Cedar, a policy engine of others.
"""

import json
import random
from collections.abc import Sequence
from uuid import UUID, uuid4

import cedarpy
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.db.access import explanations
from cks.db.access.decisions import cluster_seen, operation_seen
from cks.db.admin import tenants
from cks.db.admin.tenants import NewTenant
from cks.db.models.clusters import Cluster
from cks.db.models.operations import Operation
from cks.db.session import Database, driver
from cks.domain.access import permissions
from cks.domain.access.permissions import PERMISSIONS, Visibility
from tests.conftest import Urls
from tests.support.worlds import NOW, WIDTH, Place, World, build, imagine_lively

WORLDS, CHECKS, LISTS, FOREIGN = 10, 1_000, 200, 150
MAY = """
SELECT EXISTS (SELECT FROM can(q.u, q.p, q.c, q.n))
  FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[]) WITH ORDINALITY q (u, p, c, n, i)
 ORDER BY q.i
"""
AccessQuestion = tuple[UUID, str, Place]


@pytest.fixture(params=range(WORLDS))
async def world(request: pytest.FixtureRequest, urls: Urls, owner: AsyncEngine) -> World:
    founded = await tenants.create_tenant(urls.owner, NewTenant("world", f"{uuid4()}@w.test"))
    world = imagine_lively(request.param, founded.tenant_id)
    async with owner.begin() as connection:
        await build(connection, world)
    return world


def questions(world: World, count: int) -> list[AccessQuestion]:
    """Ask at random, also about places that there are not."""
    chance = random.Random(7)  # noqa: S311
    places = [Place(), *world.places, Place(uuid4()), Place(world.clusters[0], uuid4())]
    people, names = [*world.people], sorted(PERMISSIONS)
    return [
        (chance.choice(people), chance.choice(names), chance.choice(places)) for _ in range(count)
    ]


async def decided(database: Database, world: World, asked: Sequence[AccessQuestion]) -> list[bool]:
    told = zip(*((u, p, place.cluster, place.namespace) for u, p, place in asked), strict=True)
    async with database.begin(world.tenant) as session:
        return [row[0] for row in await driver(session).fetch(MAY, *map(list, told))]


async def test_a_thousand_checks_agree_with_the_model(database: Database, world: World) -> None:
    asked = questions(world, CHECKS)
    found = await decided(database, world, asked)
    expected = [world.may(*one) for one in asked]
    assert found == expected
    assert 20 < sum(expected) < CHECKS - 20


async def test_two_hundred_lists_agree_with_the_model(database: Database, world: World) -> None:
    chance = random.Random(8)  # noqa: S311
    async with database.begin(world.tenant) as session:
        for _ in range(LISTS // 2):
            person, permission = chance.choice([*world.people]), chance.choice([*PERMISSIONS])
            visibility = Visibility(person, uuid4(), permission, everything=False)
            clusters = await session.scalars(sa.select(Cluster.id).where(cluster_seen(visibility)))
            assert set(clusters) == world.clusters_seen(person, permission)
            seen = operation_seen(visibility)
            operations = await session.scalars(sa.select(Operation.id).where(seen))
            assert set(operations) == world.operations_seen(person, permission)


async def test_every_decision_explains_itself(database: Database, world: World) -> None:
    async with database.begin(world.tenant) as session:
        for person, permission, place in questions(world, FOREIGN):
            where = permissions.Place(place.cluster, place.namespace)
            found = await explanations.explain(session, person, permission, where)
            assert found.allowed == world.may(person, permission, place)
            listing = {
                world.roles[one].name
                for one in [
                    world.people[person].role,
                    *(g.role for g in world.grants if g.person == person),
                ]
                if permission in world.roles[one].permissions
            }
            assert (found.role in listing) if listing else (found.code == "not_granted")


def policies(world: World) -> str:
    """Write all that was ever given as Cedar policies; Cedar decides what counts."""
    own = [(person, who.role, Place(), None) for person, who in world.people.items()]
    given = [(g.person, g.role, g.place, g.expires_at) for g in world.grants]
    told = []
    for person, role_id, place, until in own + given:
        role = world.roles[role_id]
        listed = [
            f'Action::"{name}"'
            for name in sorted(role.permissions)
            if WIDTH.index(place.scope) <= WIDTH.index(PERMISSIONS[name].scope)
        ]
        if not listed or not role.active or (not place.cluster and not role.tenant_wide):
            continue
        until_then = f"context.now < {int(until.timestamp())}" if until else "true"
        told.append(
            f'permit(principal == Person::"{person}", action in [{", ".join(listed)}],'
            f" resource in {entity(place)}) when {{ principal.active && {until_then} }};"
        )
    return "\n".join(told)


def entity(place: Place) -> str:
    return f'Place::"{place.namespace or place.cluster or "tenant"}"'


def entities(world: World, asked: Sequence[AccessQuestion]) -> str:
    def named(kind: str, one: object) -> dict[str, str]:
        return {"type": kind, "id": str(one)}

    found = [
        {"uid": named("Person", one), "attrs": {"active": who.active}, "parents": []}
        for one, who in world.people.items()
    ]
    found.append({"uid": named("Place", "tenant"), "attrs": {}, "parents": []})
    for place in {place for _, _, place in asked if place.cluster} | {*world.places}:
        parent = place.cluster if place.namespace else "tenant"
        uid = named("Place", place.namespace or place.cluster)
        found.append({"uid": uid, "attrs": {}, "parents": [named("Place", parent)]})
    return json.dumps(found)


async def test_a_policy_engine_of_others_agrees(database: Database, world: World) -> None:
    asked = questions(world, FOREIGN)
    context = {"now": int(NOW.timestamp())}
    requests = [
        {
            "principal": f'Person::"{person}"',
            "action": f'Action::"{permission}"',
            "resource": entity(place),
            "context": context,
        }
        for person, permission, place in asked
    ]
    answers = cedarpy.is_authorized_batch(requests, policies(world), entities(world, asked))
    assert [answer.allowed for answer in answers] == await decided(database, world, asked)
