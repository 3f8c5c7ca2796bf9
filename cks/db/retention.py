"""Deletes, in small batches, what has been kept for long enough.

Running it twice is harmless.  The event of an operation's end is kept for ever: every read of that
operation is answered with it, and it is the last that followers receive.
"""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa

from cks.db.session import Database
from cks.domain.retention import Retention

BATCH = 1000
"""The maximum number of rows that one transaction deletes."""

# DELETE has no LIMIT, hence the sub-select.  The condition on `done` is spelled exactly as in the
# partial index `operation_events_on_the_way`, or the planner would not use that.
OLD_EVENTS = """
DELETE FROM operation_events WHERE (operation_id, seq) IN (
  SELECT e.operation_id, e.seq FROM operation_events e JOIN operations o ON o.id = e.operation_id
   WHERE e.event->>'done' = 'false' AND e.at < now() - CAST(:kept AS interval)
     AND o.completed_at < now() - CAST(:kept AS interval)
   LIMIT :batch)
"""
OLD_KEYS = """
DELETE FROM idempotency_keys WHERE (token_id, method, path, key) IN (
  SELECT k.token_id, k.method, k.path, k.key FROM idempotency_keys k
   WHERE k.created_at < now() - CAST(:kept AS interval) LIMIT :batch FOR UPDATE SKIP LOCKED)
"""
OLD_SESSIONS = """
DELETE FROM user_sessions WHERE id IN (
  SELECT s.id FROM user_sessions s
   WHERE least(s.revoked_at, s.expires_at) < now() - CAST(:kept AS interval)
   LIMIT :batch FOR UPDATE SKIP LOCKED)
"""


def statements(kept: Retention) -> Iterator[tuple[str, sa.TextClause, timedelta]]:
    """Yield each kind of record, its statement, and how old it must be."""
    yield "events", sa.text(OLD_EVENTS), kept.events
    yield "keys", sa.text(OLD_KEYS), kept.keys
    yield "sessions", sa.text(OLD_SESSIONS), kept.sessions


async def expire(
    database: Database, tenant_id: UUID, kept: Retention, batch: int = BATCH
) -> dict[str, int]:
    """Delete a tenant's records that are too old; return how many of each kind.

    One transaction per batch, so that no lock and no row version is held for long.
    """
    deleted: dict[str, int] = {}
    for kind, delete, age in statements(kept):
        deleted[kind] = 0
        while True:
            async with database.begin(tenant_id) as session:
                result = await session.execute(delete, {"kept": age, "batch": batch})
            count = int(getattr(result, "rowcount", 0))
            deleted[kind] += count
            if count < batch:
                break
    return deleted
