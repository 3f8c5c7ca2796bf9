"""One decision (`can`), against a lookup by primary key; both in a transaction of the app's.

The user has a grant in each of ten thousand namespaces of two thousand clusters, and each check is
about another of them.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from uuid import UUID, uuid4

import asyncpg

from bench import contest, ground
from bench.contest import Result, Turn
from cks.db.admin import tenants
from cks.db.admin.tenants import NewTenant

SAID = "can(): 2,000 clusters, 10,000 namespaces, 10,000 grants of one user"

FILL = """
WITH made AS (
    INSERT INTO clusters (id, tenant_id, name, status, version, networking)
    SELECT gen_random_uuid(), $1::uuid, 'c' || n, 'running', '1.35.8', '{}'
      FROM generate_series(1, 2000) n RETURNING id
), inside AS (
    INSERT INTO namespaces (id, tenant_id, cluster_id, name, status)
    SELECT gen_random_uuid(), $1, made.id, 'n' || n, 'active' FROM made, generate_series(1, 5) n
    RETURNING id, cluster_id
)
INSERT INTO rbac_user_roles (id, tenant_id, user_id, role_id, cluster_id, namespace_id)
SELECT gen_random_uuid(), $1, $2::uuid, r.id, inside.cluster_id, inside.id
  FROM inside, rbac_roles r WHERE r.tenant_id = $1 AND r.name = 'namespace_admin'
"""
PLACES = "SELECT cluster_id, id FROM namespaces ORDER BY id"
ENTER = "SELECT set_config('app.tenant_id', $1, true)"
OURS = "SELECT EXISTS (SELECT FROM can($1, 'namespaces.update', $2, $3))"
FLOOR = "SELECT EXISTS (SELECT FROM namespaces WHERE id = $1)"


async def run(seconds: float) -> Result:
    async with ground.database() as urls:
        owner = f"{uuid4()}@b.test"
        founded = await tenants.create_tenant(urls.owner, NewTenant("bench", owner))
        tenant = str(founded.tenant_id)
        email = f"{uuid4()}@b.test"
        user = (await tenants.create_user(urls.owner, tenant, email, "namespace_admin")).user_id
        filling = await asyncpg.connect(urls.owner)
        await filling.execute(FILL, founded.tenant_id, user)
        await filling.execute("ANALYZE")
        await filling.close()
        connection = await asyncpg.connect(urls.app)
        async with connection.transaction():
            await connection.execute(ENTER, tenant)
            places = cycle(await connection.fetch(PLACES))
            ours = _asking(connection, OURS, ((user, *place) for place in places))
            floor = _asking(connection, FLOOR, ((place["id"],) for place in places))
            result = await contest.hold(ours, floor, seconds)
        await connection.close()
    params = {"milliseconds_per_check": 1000 / result.ours}
    return replace(result, more=params)


def _asking(
    connection: asyncpg.Connection, question: str, about: Iterator[tuple[UUID, ...]]
) -> Turn:
    """Return a turn that asks one question after another."""

    async def turn(seconds: float) -> float:
        began, count = time.perf_counter(), 0
        while (taken := time.perf_counter() - began) < seconds:
            if not await connection.fetchval(question, *next(about)):
                raise RuntimeError("a right, or a namespace, is not there")
            count += 1
        return count / taken

    return turn
