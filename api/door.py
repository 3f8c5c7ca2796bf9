"""The way into a tenant's data: a token, checked together with the permission it needs.

``Door.open`` is a transaction in which the caller is known and allowed.  A reader that waits
opens it again for each look, so that a revoked token ends the stream that it began.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from cks.db import access
from cks.db.session import Database, Session
from cks.domain import tokens
from cks.domain.access import Caller
from cks.domain.refusals import Forbidden, TenantSuspended, Unauthenticated
from cks.domain.tokens import TokenClaim

LONGEST_AGENT = 255


def claim_of(request: web.Request) -> TokenClaim:
    """Return what the request's token claims; garbage costs no query."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("A bearer token is needed: Authorization: Bearer cks_…")
    claim = tokens.read(token.strip())
    if claim is None:
        raise Unauthenticated("This is not a token of ours; was it copied whole?")
    return claim


@dataclass(frozen=True, slots=True)
class Admission:
    """An open transaction, who is in it, and its instant by the database's clock."""

    session: Session
    caller: Caller
    at: datetime


@dataclass(slots=True)
class Door:
    """One request's way in; ``caller`` is who came through it last.

    ``changes``: it is refused to a tenant that is suspended.
    """

    database: Database
    claim: TokenClaim
    permission: str | None
    changes: bool
    request_id: str
    address: str
    agent: str
    caller: Caller | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Admission]:
        """Open a transaction for the token's tenant.

        Raise ``Unauthenticated`` for a token that is not alive, ``Forbidden`` where its user
        lacks the permission, and ``TenantSuspended``.
        """
        async with self.database.begin(self.claim.tenant_id) as session:
            yield await self._admit(session)

    async def _admit(self, session: Session) -> Admission:
        known = await access.identify(session, self.claim.digest, self.permission)
        if known is None:
            raise Unauthenticated("The token is unknown, revoked or expired, or its user is.")
        self.caller = Caller(
            tenant_id=self.claim.tenant_id,
            user_id=known.user_id,
            email=known.email,
            token_id=known.token_id,
            request_id=self.request_id,
            address=self.address,
            agent=self.agent,
        )
        if not known.allowed:
            raise Forbidden(f"This needs the permission {self.permission}.")
        if known.suspended and self.changes:
            raise TenantSuspended("The tenant is suspended: it can be read, not changed.")
        return Admission(session, self.caller, known.at)


def door_of(
    request: web.Request,
    database: Database,
    permission: str | None,
    *,
    request_id: str,
    changes: bool = False,
) -> Door:
    """Return the door that a request knocks at; raise ``Unauthenticated`` for no token."""
    agent = request.headers.get("User-Agent", "")[:LONGEST_AGENT]
    clean = agent.encode("utf-8", "replace").decode().replace("\0", "")
    claim, address = claim_of(request), request.remote or ""
    return Door(database, claim, permission, changes, request_id, address, clean)
