"""A tenant's people, and what is done to their rights."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.db.admin import tenants
from cks.db.models.namespaces import Namespace
from tests.conftest import Urls
from tests.support.client import Answer, Client

NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Person:
    """A user: their id, and their client."""

    id: str
    client: Client

    async def may(self, permission: str, **where: str) -> Any:
        """Ask whether they may do something, as they would ask it."""
        asked = {"permission": permission, **where}
        answer = await self.client.post("/v1/access:check", asked)
        assert answer.status == 200, answer.body
        return answer.body


@dataclass(frozen=True, slots=True)
class People:
    """Makes users of one tenant, whose admin is ``admin``."""

    urls: Urls
    tenant: UUID
    admin: Client

    async def join(self, role: str = NOTHING) -> Person:
        """Make a user with a role of their own; ``nothing`` is one that lists nothing."""
        if role == NOTHING:
            await self.admin.post("/v1/roles", {"name": NOTHING, "permissions": []})
        email = f"{uuid4()}@acme.test"
        joined = await tenants.create_user(self.urls.owner, str(self.tenant), email, role)
        return Person(str(joined.user_id), replace(self.admin, token=joined.token))

    async def give(
        self, person: Person, role: str, by: Client | None = None, **where: Any
    ) -> Answer:
        """Give somebody a role somewhere; the admin does, unless another one tries."""
        asked = {"role": role, **where}
        return await (by or self.admin).post(f"/v1/users/{person.id}/roles", asked)

    async def given(self, person: Person, role: str, **where: Any) -> str:
        """Give somebody a role somewhere, and return the grant's id."""
        answer = await self.give(person, role, **where)
        assert answer.status == 201, answer.body
        return str(answer.body["id"])

    async def role(self, *permissions: str, **more: Any) -> Any:
        """Make a role, and return it."""
        asked = {"name": f"r{uuid4().hex[:8]}", "permissions": list(permissions), **more}
        answer = await self.admin.post("/v1/roles", asked)
        assert answer.status == 201, answer.body
        return answer.body


async def a_namespace(owner: AsyncEngine, tenant: UUID, cluster_id: str) -> str:
    """Make a namespace's row: its routes come later."""
    made = {"id": uuid4(), "tenant_id": tenant, "cluster_id": UUID(cluster_id)}
    named = {"name": f"n{uuid4().hex[:8]}", "status": "active"}
    async with owner.begin() as connection:
        await connection.execute(sa.insert(Namespace).values(**made, **named))
    return str(made["id"])


async def pages(client: Client, path: str, size: int = 3) -> AsyncIterator[Any]:
    """Yield what a list shows, page by page."""
    mark = "&" if "?" in path else "?"
    where = f"{path}{mark}page_size={size}"
    after: str | None = ""
    while after is not None:
        answer = await client.get(where + (f"&page_token={after}" if after else ""))
        assert answer.status == 200, answer.body
        for one in answer.body["results"]:
            yield one
        after = answer.body["next_page_token"]
