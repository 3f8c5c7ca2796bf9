"""Who calls, and what they may do: found out under the row security of the token's tenant."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from cks.domain.refusals import Unauthenticated


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


def identity_of(row: asyncpg.Record | sa.Row[Any] | None) -> Identity:
    """Return whose token it is; raise ``Unauthenticated`` where it opens nothing.

    It may be unknown, or have ended; so has that of a user who is not active, and that of a
    closed tenant.
    """
    if row is None:
        raise Unauthenticated("The token is unknown, revoked or expired, or its user is.")
    return Identity(*tuple(row)[:6])
