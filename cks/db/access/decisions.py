"""Who is calling, and whether they may: determined under the row security of the token's tenant.

The database decides (``0015_scopes.sql``): "may", "which" and "why" are queries on the same views.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.models.clusters import Cluster
from cks.db.models.operations import Operation
from cks.db.session import driver
from cks.domain.access.permissions import (
    WHOLE_TENANT,
    Caller,
    Place,
    Scope,
    Visibility,
    opens,
)
from cks.domain.operations.state import OperationState
from cks.domain.refusals import LastAdmin, Unauthenticated
from cks.domain.registry import TYPES

CHECK_ADMINS = "SET CONSTRAINTS keep_an_admin IMMEDIATE"
STILL_MAY = "SELECT $1::uuid IS NULL OR EXISTS (SELECT FROM can($1, $2::text, $3::uuid)) AS may"
"""Whether an operation's requester still has the permission, before its first effect.

The parameters are those of ``who_asked``; it runs in the statement that writes that effect.
"""
MAY = "SELECT EXISTS (SELECT FROM can($1, $2, $3, $4))"


class Target(StrEnum):
    """Where a permission is needed, as ``decide`` of ``0015_scopes.sql`` takes it.

    ``ANYWHERE`` is for lists that show what each grant reaches, ``OWN`` for those that show in any
    case what the caller asked for; ``GRANTEE``, for what the body names the place of.

    ``where`` says it after the words "requires the permission"; ``kind`` is what a request must
    name for it, if anything.
    """

    TENANT = "tenant", " in the whole tenant"
    ANYWHERE = "anywhere", " in any scope; you see only what your grants cover"
    OWN = "own", "; you always see the operations that you started"
    CLUSTER = "cluster", " in the cluster", "cluster"
    OPERATION = "operation", " in the scope of the operation", "operation"
    USER = "user", " in the whole tenant", "user"
    GRANTEE = "grantee", " in the scope of the grant", "user"
    ROLE = "role", " in the whole tenant", "role"
    GRANT = "grant", " in the scope of the grant", "grant"

    where: str
    kind: str | None

    def __new__(cls, name: str, where: str, kind: str | None = None) -> Self:
        target = str.__new__(cls, name)
        target._value_ = name
        target.where = where
        target.kind = kind
        return target

    @property
    def lost(self) -> str:
        """Say that it does not exist; what the caller cannot see sounds the same."""
        return f"The {self.kind} does not exist."


@dataclass(frozen=True, slots=True)
class AccessQuestion:
    """What a request requires, and where: ``wanted`` is an id, or the name of a cluster."""

    permission: str | None
    target: Target = Target.TENANT
    wanted: UUID | str | None = None

    @property
    def params(self) -> tuple[str | None, str, UUID | None, str | None]:
        """Return it as ``admit`` takes it."""
        wanted = self.wanted
        found = wanted if isinstance(wanted, UUID) else None
        return self.permission, self.target, found, wanted if isinstance(wanted, str) else None


class Verdict(StrEnum):
    """``FORBIDDEN``: they see it, but may not.  ``HIDDEN``: for them it does not exist."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Identity:
    """The user of a valid token, and the decision about their request.

    ``at`` is the transaction's instant; ``suspended``, whether the tenant is; ``everywhere``,
    whether they may in all of it; ``narrowed``, to which permissions the token is, if not to all.
    """

    token_id: UUID
    user_id: UUID
    email: str
    at: datetime
    verdict: Verdict
    suspended: bool
    everywhere: bool
    narrowed: Sequence[str] | None

    def visibility(self, permission: str | None) -> Visibility:
        """Return how much they see through the route's permission."""
        seen = permission if opens(self.narrowed, str(permission)) else None
        return Visibility(self.user_id, self.token_id, seen, self.everywhere)


def identity_of(row: asyncpg.Record | sa.Row[Any] | None) -> Identity:
    """Return whose token it is; raise ``Unauthenticated`` if it is not valid.

    It may be unknown, revoked or expired, or belong to a user who is not active or to a closed
    tenant.
    """
    if row is None:
        raise Unauthenticated(
            "The token is unknown, revoked or expired, or its user is not active."
        )
    token_id, user_id, email, at, verdict, *rest = tuple(row)[:8]
    return Identity(token_id, user_id, email, at, Verdict(verdict), *rest)


async def may(
    session: AsyncSession, caller: Caller, permission: str, place: Place = WHOLE_TENANT
) -> bool:
    """Say whether a caller has a permission in a scope, with their present token."""
    params = (caller.user_id, permission, place.cluster_id, place.namespace_id)
    through = opens(caller.narrowed, permission)
    return through and bool(await driver(session).fetchval(MAY, *params))


@asynccontextmanager
async def an_admin_stays(session: AsyncSession) -> AsyncIterator[None]:
    """Have the database check now, not at the commit, that an admin is left.

    Raise ``LastAdmin`` if not.  The block must send its changes to the database (``flush``).
    """
    try:
        yield
        await driver(session).execute(CHECK_ADMINS)
    except asyncpg.CheckViolationError as error:
        if error.constraint_name != "last_admin":
            raise
        raise LastAdmin("This would leave the tenant without an admin.") from error


def who_asked(operation: OperationState) -> tuple[UUID | None, str, UUID | None]:
    """Return the parameters of ``STILL_MAY``; an operation without an actor has no requester."""
    kind = TYPES[operation.type]
    cluster_id = None if kind.scope is Scope.TENANT else operation.cluster_id
    return operation.actor_id, kind.permission, cluster_id


def cluster_seen(visibility: Visibility) -> sa.ColumnElement[bool]:
    """Return the condition under which somebody sees a cluster."""
    if visibility.everything:
        return sa.true()
    seen = sa.func.seen_clusters(visibility.user_id, visibility.permission)
    return Cluster.id.in_(sa.select(seen.column_valued()))


def operation_seen(visibility: Visibility) -> sa.ColumnElement[bool]:
    """Return the condition under which somebody sees an operation, as its requester too."""
    if visibility.everything:
        return sa.true()
    seen = sa.func.seen_operations(visibility.user_id, visibility.token_id, visibility.permission)
    return Operation.id.in_(sa.select(seen.column_valued()))
