"""What is deleted in time, and what never is, in one tenant and no other."""

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.db import retention
from cks.db.admin import tenants
from cks.db.admin.tenants import Founded, NewTenant
from cks.db.dispatch import Dispatch
from cks.db.session import Database
from cks.domain.retention import Retention
from tests.conftest import Urls

KEPT = Retention(timedelta(days=90), timedelta(hours=48), timedelta(days=30))
NOTHING = {"events": 0, "keys": 0, "sessions": 0}

OPERATION = sa.text("""
INSERT INTO operations (tenant_id, type, status, resource_type, resource_id, progress,
                        completed_at)
SELECT :tenant, 'cluster.create', CASE WHEN :ended > 0 THEN 'completed' ELSE 'running' END,
       'cluster', gen_random_uuid(), CASE WHEN :ended > 0 THEN 100 ELSE 50 END,
       CASE WHEN :ended > 0 THEN now() - make_interval(days => :ended) END
RETURNING id
""")
EVENT = sa.text("""
INSERT INTO operation_events (tenant_id, operation_id, seq, at, event)
SELECT :tenant, :operation, seq, now() - make_interval(days => :age),
       jsonb_build_object('done', seq > 3) FROM generate_series(1, 5) AS seq
""")
KEY = sa.text("""
INSERT INTO idempotency_keys (tenant_id, token_id, method, path, key, request_digest, created_at)
SELECT :tenant, gen_random_uuid(), 'POST', '/', :key, '', now() - make_interval(hours => :age)
""")
SESSION = sa.text("""
INSERT INTO user_sessions (tenant_id, user_id, device, revoked_at, expires_at)
SELECT :tenant, :user, :device, now() - make_interval(days => :revoked),
       now() - make_interval(days => :expired)
""")
SEQS = sa.text("SELECT seq FROM operation_events WHERE operation_id = :operation ORDER BY seq")
KEYS = sa.text("SELECT key FROM idempotency_keys WHERE tenant_id = :tenant ORDER BY key")
SESSIONS = sa.text("SELECT device FROM user_sessions WHERE tenant_id = :tenant ORDER BY device")


async def told(owner: AsyncEngine, tenant: UUID, ended: int, age: int) -> UUID:
    """Make an operation that ended so many days ago (0: it lives) and told five things."""
    async with owner.begin() as connection:
        made: UUID = await connection.scalar(OPERATION, {"tenant": tenant, "ended": ended})
        await connection.execute(EVENT, {"tenant": tenant, "operation": made, "age": age})
    return made


async def seqs(owner: AsyncEngine, operation: UUID) -> list[int]:
    async with owner.connect() as connection:
        return list(await connection.scalars(SEQS, {"operation": operation}))


async def test_of_an_old_operation_only_what_told_of_its_end_stays(
    database: Database, owner: AsyncEngine, tenant: UUID
) -> None:
    old = await told(owner, tenant, ended=91, age=91)
    recent = await told(owner, tenant, ended=89, age=91)
    live = await told(owner, tenant, ended=0, age=91)
    assert await retention.expire(database, tenant, KEPT) == NOTHING | {"events": 3}
    assert await seqs(owner, old) == [4, 5]
    assert await seqs(owner, recent) == [1, 2, 3, 4, 5]
    assert await seqs(owner, live) == [1, 2, 3, 4, 5]
    assert await retention.expire(database, tenant, KEPT) == NOTHING


async def test_old_keys_go(database: Database, owner: AsyncEngine, tenant: UUID) -> None:
    async with owner.begin() as connection:
        for key, age in (("old", 49), ("recent", 47), ("new", 0)):
            await connection.execute(KEY, {"tenant": tenant, "key": key, "age": age})
    assert await retention.expire(database, tenant, KEPT) == NOTHING | {"keys": 1}
    async with owner.connect() as connection:
        assert list(await connection.scalars(KEYS, {"tenant": tenant})) == ["new", "recent"]


@pytest.mark.parametrize(
    ("revoked", "expired", "goes"),
    [(31, None, True), (None, 31, True), (31, -5, True), (29, 10, False), (None, None, False)],
)
async def test_a_session_goes_a_while_after_it_ended(
    database: Database,
    owner: AsyncEngine,
    founded: Founded,
    revoked: int | None,
    expired: int | None,
    goes: bool,  # noqa: FBT001
) -> None:
    whose = {"tenant": founded.tenant_id, "user": founded.user_id, "device": "d"}
    async with owner.begin() as connection:
        await connection.execute(SESSION, whose | {"revoked": revoked, "expired": expired})
    deleted = await retention.expire(database, founded.tenant_id, KEPT)
    assert deleted == NOTHING | {"sessions": int(goes)}
    async with owner.connect() as connection:
        left = list(await connection.scalars(SESSIONS, {"tenant": founded.tenant_id}))
    assert left == ([] if goes else ["d"])


async def test_what_is_many_goes_batch_by_batch_and_a_neighbours_stays(
    database: Database, owner: AsyncEngine, tenant: UUID, urls: Urls
) -> None:
    other = await tenants.create_tenant(urls.owner, NewTenant("other", "o@other.test"))
    theirs = await told(owner, other.tenant_id, ended=100, age=100)
    ours = [await told(owner, tenant, ended=100, age=100) for _ in range(3)]
    deleted = await retention.expire(database, tenant, KEPT, batch=2)
    assert deleted == NOTHING | {"events": 9}
    assert [await seqs(owner, one) for one in ours] == [[4, 5]] * 3
    assert await seqs(owner, theirs) == [1, 2, 3, 4, 5]


async def test_tenants_are_found_a_page_at_a_time(dispatch: Dispatch, tenant: UUID) -> None:
    before = UUID(int=tenant.int - 1)
    assert await dispatch.find_tenants(before, 1) == [tenant]
    assert tenant not in await dispatch.find_tenants(tenant, 1000)
