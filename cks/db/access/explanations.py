"""Why somebody may, or may not: the same queries that decide, with their reasons.

Each query runs inside a tenant's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.pages import Cut, Page
from cks.db.session import driver
from cks.domain.access.permissions import Caller, Place, opens

CAN = "SELECT role, via, grant_id, scope FROM can($1, $2, $3, $4)"
MISS = "SELECT miss, role, via, grant_id, scope FROM nearest_miss($1, $2, $3, $4)"
HELD = """
WITH page AS (
    SELECT coalesce(b.grant_id, b.user_id) AS key, b.role, b.via, b.grant_id, b.cluster_id,
           b.namespace_id, b.expires_at
      FROM bindings b WHERE b.user_id = $1 AND b.miss IS NULL
       AND ($3::uuid IS NULL OR coalesce(b.grant_id, b.user_id) < $3)
     ORDER BY 1 DESC LIMIT $4
)
SELECT page.key, page.role, page.via, page.grant_id,
       CASE WHEN page.namespace_id IS NOT NULL THEN 'namespace'
         WHEN page.cluster_id IS NOT NULL THEN 'cluster' ELSE 'tenant' END,
       page.cluster_id, page.namespace_id, page.expires_at, coalesce(
         (SELECT array_agg(e.permission ORDER BY e.permission) FROM effective_permissions e
           WHERE e.user_id = $1 AND e.grant_id = page.grant_id
             AND ($2::text[] IS NULL OR e.permission = ANY ($2))),
         (SELECT array_agg(e.permission ORDER BY e.permission) FROM effective_permissions e
           WHERE page.grant_id IS NULL AND e.user_id = $1 AND e.via = 'users.role'
             AND ($2::text[] IS NULL OR e.permission = ANY ($2))),
         '{}') FROM page ORDER BY page.key DESC
"""


@dataclass(frozen=True, slots=True)
class Explained:
    """A decision, and what it comes from: a role, the scope it is bound at, and by what.

    ``code`` is ``granted``, or what came nearest: ``user_suspended role_inactive expired
    wrong_scope narrowed_by_token not_granted``.  ``via`` is ``users.role`` or ``grant``.
    """

    code: str
    role: str | None = None
    via: str | None = None
    grant_id: UUID | None = None
    scope: str | None = None

    @property
    def allowed(self) -> bool:
        return self.code == "granted"


@dataclass(frozen=True, slots=True)
class Held:
    """A binding that counts, and the permissions that it gives where it is."""

    key: UUID
    role: str
    via: str
    grant_id: UUID | None
    scope: str
    cluster_id: UUID | None
    namespace_id: UUID | None
    expires_at: datetime | None
    permissions: Sequence[str]


async def explain(
    session: AsyncSession,
    user_id: UUID,
    permission: str,
    place: Place,
    narrowed: Sequence[str] | None = None,
) -> Explained:
    """Return whether a user has a permission in a scope, and why, or why not.

    ``narrowed``: the permissions of the token in question, if it is narrowed.
    """
    params = (user_id, permission, place.cluster_id, place.namespace_id)
    connection = driver(session)
    if found := await connection.fetchrow(CAN, *params):
        through = opens(narrowed, permission)
        return Explained("granted" if through else "narrowed_by_token", *found)
    if missed := await connection.fetchrow(MISS, *params):
        return Explained(*missed)
    return Explained("not_granted")


async def held_page(session: AsyncSession, caller: Caller, cut: Cut) -> Page[Held]:
    """Return a page of a caller's bindings with their permissions, the newest first.

    Bindings that give nothing, or nothing with this token, are left out.
    """
    params = (caller.user_id, caller.narrowed, cut.after, cut.size + 1)
    found = [Held(*row) for row in await driver(session).fetch(HELD, *params)]
    rows, more = found[: cut.size], len(found) > cut.size
    giving = [one for one in rows if one.permissions]
    return Page(giving, rows[-1].key if more else None)
