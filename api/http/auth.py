"""The way into a tenant's data: a token, checked together with the permission it needs.

What callers cannot see does not exist for them (404); what they see but may not do is refused
(403), and the refusal says what is missing.

``Authorization.open`` is a transaction in which the caller is known and allowed.  A waiting
reader opens a new one for each read, so that a revoked token ends the stream that it began.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from cks import logs
from cks.db.access import decisions
from cks.db.access.decisions import AccessQuestion, Identity, Verdict
from cks.db.session import Database, Session
from cks.domain.access.permissions import Caller, Visibility, opens
from cks.domain.people import tokens
from cks.domain.people.tokens import TokenClaim
from cks.domain.refusals import Forbidden, NotFound, TenantSuspended, Unauthenticated

LONGEST_AGENT = 255


def claim_of(request: web.Request) -> TokenClaim:
    """Return what the request's token claims; a malformed token costs no query."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("A bearer token is required: Authorization: Bearer cks_…")
    claim = tokens.read(token.strip())
    if claim is None:
        raise Unauthenticated("This is not one of our tokens; was it copied completely?")
    return claim


@dataclass(frozen=True, slots=True)
class Admission:
    """An open transaction, its caller, how much they see, and its time by the database's clock."""

    session: Session
    caller: Caller
    visibility: Visibility
    at: datetime


@dataclass(slots=True)
class Authorization:
    """One request's authorization; ``caller`` is known once it was opened.

    ``changes``: the request is refused to a suspended tenant.
    """

    database: Database
    claim: TokenClaim
    question: AccessQuestion
    changes: bool
    request_id: str
    address: str
    agent: str
    caller: Caller | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Admission]:
        """Open a transaction for the token's tenant.

        Raise ``Unauthenticated`` for a token that is not valid, ``NotFound`` for what its user
        cannot see, ``Forbidden`` if they lack the permission, and ``TenantSuspended``.
        """
        async with self.database.enter(self.claim, self.question.params) as (session, row):
            known = decisions.identity_of(row)
            caller = self.judge(known)
            yield Admission(session, caller, known.visibility(self.question.permission), known.at)

    def judge(self, known: Identity) -> Caller:
        """Return the caller if they may proceed; raise what ``open`` raises."""
        self.caller = Caller(
            tenant_id=self.claim.tenant_id,
            user_id=known.user_id,
            email=known.email,
            token_id=known.token_id,
            request_id=self.request_id,
            address=self.address,
            agent=self.agent,
            narrowed=known.narrowed,
        )
        logs.bind(tenant_id=self.claim.tenant_id)
        if known.verdict is Verdict.HIDDEN:
            raise NotFound(self.question.target.lost)
        if known.verdict is Verdict.FORBIDDEN:
            raise self._forbidden(known)
        if known.suspended and self.changes:
            raise TenantSuspended("The tenant is suspended: it can be read but not changed.")
        return self.caller

    def _forbidden(self, known: Identity) -> Forbidden:
        needed = str(self.question.permission)
        why = "" if opens(known.narrowed, needed) else " The token does not include it."
        return Forbidden(
            f"The permission {needed} is required.{why}", members={"missing": [needed]}
        )


def authorization_of(
    request: web.Request,
    database: Database,
    question: AccessQuestion,
    *,
    request_id: str,
    changes: bool = False,
) -> Authorization:
    """Return the authorization of a request; raise ``Unauthenticated`` if it has no token."""
    agent = request.headers.get("User-Agent", "")[:LONGEST_AGENT]
    clean = agent.encode("utf-8", "replace").decode().replace("\0", "")
    claim, address = claim_of(request), request.remote or ""
    return Authorization(database, claim, question, changes, request_id, address, clean)
