"""Nobody gains by handing out: whatever some do together, they hold no more than before.

Some users of a random tenant do at random all that the API lets them do to roles and grants, for
themselves and for others; then all of their rights are compared, now and for ever, with those that
they held together before.  What an unprivileged role lists counts as held by who might bind it.
"""

import random
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import ModuleType
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.db.access import decisions, grants, roles
from cks.db.access.grants import GrantInput
from cks.db.admin import tenants
from cks.db.admin.tenants import NewTenant
from cks.db.pages import Cut
from cks.db.people import users
from cks.db.session import Database, Session
from cks.domain.access import permissions as rules
from cks.domain.access.permissions import BIND, PERMISSIONS, Caller
from cks.domain.refusals import Declined
from tests.conftest import Urls
from tests.support.worlds import (
    FUTURE,
    NOW,
    WIDTH,
    Place,
    World,
    build,
    imagine_lively,
    read_again,
    read_roles,
)

WORLDS, DEEDS = 4, 12
LATER = FUTURE + timedelta(days=1)
"""When all that ends has ended."""
Right = tuple[str, Place, datetime]


@dataclass
class Coalition:
    """Some users, and what they try; ``done`` counts what was not refused."""

    world: World
    members: list[UUID]
    chance: random.Random
    done: int = 0
    session: Session = field(init=False)

    async def play(self, database: Database) -> World:
        """Do some deeds, return what the world is then, and leave it as it was."""
        async with database.begin(self.world.tenant) as self.session:
            for _ in range(DEEDS):
                await self.act()
            after = await read_again(await self.session.connection(), self.world)
            await self.session.rollback()
        return after

    async def act(self) -> None:
        """Let one of them try something, as the API would let them try it."""
        entry = self.chance.choice(
            [self.bind, self.bind, self.dress, self.revoke, self.make, self.change]
        )
        try:
            async with self.session.begin_nested():
                await self.session.connection()  # the driver's own is in the savepoint, too
                await entry(self._caller())
                await self.session.flush()
            self.done += 1
        except Declined:
            return
        finally:
            self.session.expunge_all()  # as the next request begins

    def _caller(self) -> Caller:
        member = self.chance.choice(self.members)
        return Caller(self.world.tenant, member, "a@w.test", uuid4(), "r", "", "")

    async def bind(self, caller: Caller) -> None:
        place, until = self._place(), self.chance.choice([None, None, FUTURE])
        wish = GrantInput(await self._role_name(), place, until)
        await grants.bind(self.session, caller, self._somebody(), wish, NOW)

    async def dress(self, caller: Caller) -> None:
        await users.change_role(self.session, caller, self._somebody(), await self._role_name())

    async def revoke(self, caller: Caller) -> None:
        now = await read_again(await self.session.connection(), self.world)
        person = self.chance.choice(self.members)
        page = await grants.list_page(self.session, person, Cut(50))
        if page.rows and now.people[person].active:
            one = self.chance.choice(page.rows)
            await grants.revoke(self.session, caller, person, one.grant.id)

    async def make(self, caller: Caller) -> None:
        await self._at_the_door(caller, "rbac.roles.create")
        marked = self.chance.random() < 0.3
        values = {"name": f"n{uuid4().hex[:8]}", "description": None, "unprivileged": marked}
        await roles.create(self.session, caller, values, self._some_permissions())

    async def change(self, caller: Caller) -> None:
        await self._at_the_door(caller, "rbac.roles.update")
        every = (await roles.list_page(self.session, Cut(50))).rows
        view = await roles.find(self.session, self.chance.choice(every).role.id, locked=True)
        values: dict[str, object] = self.chance.choice(
            [{}, {}, {"unprivileged": True}, {"status": "active"}, {"name": f"n{uuid4().hex[:8]}"}]
        )
        await roles.change(self.session, caller, view, values, self._some_permissions())

    async def _at_the_door(self, caller: Caller, permission: str) -> None:
        if not await decisions.may(self.session, caller, permission):
            raise Declined("refused at the door")

    async def _role_name(self) -> str:
        every = (await roles.list_page(self.session, Cut(50))).rows
        return self.chance.choice(every).name

    def _somebody(self) -> UUID:
        ours = self.chance.random() < 0.8
        return self.chance.choice(self.members if ours else [*self.world.people])

    def _place(self) -> rules.Place:
        if self.chance.random() < 0.4:
            return rules.Place()
        place = self.chance.choice(self.world.places)
        return rules.Place(place.cluster, place.namespace)

    def _some_permissions(self) -> list[str]:
        return self.chance.sample(sorted(PERMISSIONS), self.chance.randint(0, 5))


def rights(world: World, members: Collection[UUID]) -> set[Right]:
    """Return all that some hold together: what, where, now and for ever."""
    return {
        (permission, place, at)
        for member in members
        for at in (NOW, LATER)
        for role, bound in world.bound(member, at)
        for permission in role.permissions
        if WIDTH.index(bound.scope) <= WIDTH.index(PERMISSIONS[permission].scope)
        for place in (Place(), *world.places)
        if bound.covers(place)
    }


def might_be_bound(world: World, members: Collection[UUID]) -> set[Right]:
    """Return what unprivileged roles list, where some may bind them, for as long."""
    listed = {
        permission
        for role in world.roles.values()
        if role.unprivileged
        for permission in role.permissions
    }
    return {
        (permission, place, at)
        for name, place, at in rights(world, members)
        if name == BIND
        for permission in listed
    }


Play = Callable[[int], Awaitable[int]]


@pytest.fixture(scope="module")
async def plays(urls: Urls, owner: AsyncEngine, database: Database) -> list[Play]:
    """Return for each world how a coalition acts in it, by its seed: how many deeds it did."""
    return [await staged(urls, owner, database, number) for number in range(WORLDS)]


async def staged(urls: Urls, owner: AsyncEngine, database: Database, number: int) -> Play:
    founded = await tenants.create_tenant(urls.owner, NewTenant("world", f"{uuid4()}@w.test"))
    async with owner.begin() as connection:
        builtin = await read_roles(connection, founded.tenant_id)
        world = imagine_lively(number, founded.tenant_id, builtin)
        await build(connection, world)

    async def played(seed: int) -> int:
        chance = random.Random(seed)  # noqa: S311
        members = chance.sample([*world.people], chance.randint(2, 4))
        held = rights(world, members) | might_be_bound(world, members)
        coalition = Coalition(world, members, chance)
        gained = rights(await coalition.play(database), members) - held
        assert not gained, (number, seed, gained)
        return coalition.done

    return played


async def test_no_coalition_ends_with_more_than_it_held(plays: list[Play]) -> None:
    for play in plays:
        assert sum([await play(seed) for seed in range(10)]) > 0


@pytest.mark.trial
@pytest.mark.parametrize("number", range(WORLDS))
async def test_none_of_three_thousand_coalitions_does(plays: list[Play], number: int) -> None:
    deeds = [await plays[number](seed) for seed in range(3_000 // WORLDS)]
    assert sum(deeds) > len(deeds)


async def nothing(*_: object, **__: object) -> None:
    """Check nothing."""


SABOTAGES = {
    "who hands out is not asked what they hold": (grants, "check_handing_out"),
    "who makes or changes a role is not asked what they hold": (roles, "_check_held"),
}


@pytest.mark.trial
@pytest.mark.parametrize("sabotage", SABOTAGES.values(), ids=SABOTAGES)
async def test_the_trial_notices(
    plays: list[Play], monkeypatch: pytest.MonkeyPatch, sabotage: tuple[ModuleType, str]
) -> None:
    monkeypatch.setattr(*sabotage, nothing)
    with pytest.raises(AssertionError):
        for seed in range(200):
            for play in plays:
                await play(seed)
