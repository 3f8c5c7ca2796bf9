"""Who calls, and what they may do: one query, under the row security of the token's tenant."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

IDENTIFY = sa.text("""
SELECT t.id AS token_id, u.id AS user_id, u.email, now() AS at,
       (t.last_used IS NULL OR t.last_used < now() - interval '1 minute') AS stale,
       CAST(:permission AS text) IS NULL
       OR EXISTS (SELECT FROM can(u.id, CAST(:permission AS text))) AS allowed,
       tenants.status = 'suspended' AS suspended
  FROM user_tokens t JOIN users u ON (u.tenant_id, u.id) = (t.tenant_id, t.user_id)
  JOIN tenants ON tenants.id = t.tenant_id
 WHERE t.token = :digest AND t.revoked_at IS NULL AND u.status = 'active'
   AND (t.expires_at IS NULL OR t.expires_at > now()) AND tenants.status <> 'closed'
""")
TOUCH = sa.text("""
UPDATE user_tokens SET last_used = now()
 WHERE id = (SELECT id FROM user_tokens WHERE id = :token FOR UPDATE SKIP LOCKED)
""")


@dataclass(frozen=True, slots=True)
class Identity:
    """The user of a living token, and whether they hold the permission asked about.

    ``at`` is the transaction's instant; ``suspended``, whether the tenant is.
    """

    token_id: UUID
    user_id: UUID
    email: str
    at: datetime
    allowed: bool
    suspended: bool


async def identify(session: AsyncSession, digest: str, permission: str | None) -> Identity | None:
    """Return whose token this is; ``None`` for one that is unknown, or that has ended.

    So has that of a user who is not active, and that of a closed tenant.

    ``last_used`` is kept to the minute, so that reads seldom write.
    """
    names = {"digest": digest, "permission": permission}
    found = (await session.execute(IDENTIFY, names)).one_or_none()
    if found is None:
        return None
    if found.stale:
        await session.execute(TOUCH, {"token": found.token_id})
    return Identity(
        token_id=found.token_id,
        user_id=found.user_id,
        email=found.email,
        at=found.at,
        allowed=found.allowed,
        suspended=found.suspended,
    )
