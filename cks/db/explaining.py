"""Why somebody may, or may not: the same questions that decide, answered with their reasons.

Each query runs inside a tenant's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.models.users import UserToken
from cks.db.pages import Cut, Page
from cks.db.session import driver
from cks.domain.access import Place

CAN = "SELECT role, via, grant_id, scope FROM can($1, $2, $3, $4)"
MISS = "SELECT miss, role, via, grant_id, scope FROM nearest_miss($1, $2, $3, $4)"
HELD = """
SELECT coalesce(grant_id, user_id) AS key, role, via, grant_id, scope, cluster_id, namespace_id,
       expires_at, array_agg(permission ORDER BY permission) AS permissions
  FROM effective_permissions
 WHERE user_id = $1 AND ($2::text[] IS NULL OR permission = ANY ($2))
   AND ($3::uuid IS NULL OR coalesce(grant_id, user_id) < $3)
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1 DESC LIMIT $4
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
    """Say whether somebody may do something at a place, and why, or why not.

    ``narrowed``: the permissions of the token in question, if it does not have all.
    """
    told = (user_id, permission, place.cluster_id, place.namespace_id)
    connection = driver(session)
    if found := await connection.fetchrow(CAN, *told):
        through = narrowed is None or permission in narrowed
        return Explained("granted" if through else "narrowed_by_token", *found)
    if missed := await connection.fetchrow(MISS, *told):
        return Explained(*missed)
    return Explained("not_granted")


async def narrowed_to(session: AsyncSession, token_id: UUID) -> Sequence[str] | None:
    """Return the permissions that a token is narrowed to; ``None``: it has all of its user's."""
    query = sa.select(UserToken.scopes).where(UserToken.id == token_id)
    found: Sequence[str] | None = await session.scalar(query)
    return found


async def held_page(
    session: AsyncSession, user_id: UUID, narrowed: Sequence[str] | None, cut: Cut
) -> Page[Held]:
    """Return a page of what somebody may, binding by binding, the newest first."""
    told = (user_id, narrowed, cut.after, cut.size + 1)
    found = [Held(*row) for row in await driver(session).fetch(HELD, *told)]
    rows = found[: cut.size]
    return Page(rows, rows[-1].key if len(found) > cut.size else None)
