"""An operation is seen the same way, whichever way it is read, and by whom it may be."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from cks.db.access.decisions import AccessQuestion, identity_of
from cks.db.admin import tenants
from cks.db.admin.tenants import Founded, NewTenant
from cks.db.clusters import creation
from cks.db.models.operations import Operation
from cks.db.operations import events, operations, views
from cks.db.operations.accepting import Accepted, accept
from cks.db.session import Database, driver
from cks.domain.access.permissions import Caller
from cks.domain.clusters.creation import CREATE
from cks.domain.operations import snapshots
from cks.domain.operations.deadlines import Allowance
from cks.domain.operations.lifecycle import OperationStatus
from cks.domain.operations.types import Subject
from cks.domain.people import tokens
from cks.domain.people.tokens import TokenClaim
from cks.domain.refusals import OperationConflict, Unauthenticated
from tests.conftest import Urls
from tests.support.requests import new_cluster

READ = "operations.read"


def caller_of(founded: Founded) -> Caller:
    return Caller(founded.tenant_id, founded.user_id, "a@acme.test", uuid4(), "r", "", "")


def claim_of(token: str) -> TokenClaim:
    claim = tokens.read(token)
    assert claim
    return claim


USUAL = Allowance(1, 60)


async def asked(
    database: Database, founded: Founded, subject: UUID, allowance: Allowance | None = USUAL
) -> views.OperationView:
    blue = Subject("cluster", subject, "blue", subject)
    wish = Accepted(CREATE, creation.EFFECTS, blue, new_cluster(name="blue"), allowance)
    async with database.begin(founded.tenant_id) as session:
        at = await operations.instant(session)
        return await accept(session, caller_of(founded), wish, at)


@pytest.fixture
async def accepted(database: Database, founded: Founded) -> views.OperationView:
    return await asked(database, founded, uuid4())


async def test_what_is_accepted_is_what_its_rows_say(
    database: Database, founded: Founded, accepted: views.OperationView
) -> None:
    async with database.begin(founded.tenant_id) as session:
        operation = await operations.read(session, accepted.id)
        seen = await views.view_of(session, operation)
        assert snapshots.snapshot_of(operation) == accepted.snapshot
        assert seen == replace(accepted, email=seen.email)
        assert [
            (seq, snapshot) for seq, snapshot in await events.events_of(session, accepted.id, 0)
        ] == [(1, accepted.snapshot)]
    assert operation.status is OperationStatus.PENDING
    assert operation.started_at == operation.created_at == operation.runnable_at
    assert operation.actor_id == operation.created_by == founded.user_id


async def test_a_glimpse_shows_what_the_rows_say(
    database: Database, founded: Founded, accepted: views.OperationView
) -> None:
    claim = claim_of(founded.token)
    async with database.begin(founded.tenant_id) as session:
        seen = await views.view_of(session, await operations.read(session, accepted.id))
    found = await views.glimpse(database, claim, READ, accepted.id)
    assert found.operation == seen
    assert (found.identity.user_id, found.identity.everywhere) == (founded.user_id, True)


async def test_a_glimpse_of_a_neighbours_operation_is_one_of_nothing(
    database: Database, urls: Urls, accepted: views.OperationView
) -> None:
    other = await tenants.create_tenant(urls.owner, NewTenant("other", f"{uuid4()}@acme.test"))
    for wanted in (accepted.id, uuid4()):
        found = await views.glimpse(database, claim_of(other.token), READ, wanted)
        assert found.operation is None


async def test_a_token_opens_its_own_tenant_alone(
    database: Database, urls: Urls, founded: Founded, accepted: views.OperationView
) -> None:
    other = await tenants.create_tenant(urls.owner, NewTenant("other", f"{uuid4()}@acme.test"))
    forged = replace(claim_of(other.token), tenant_id=founded.tenant_id)
    with pytest.raises(Unauthenticated):
        await views.glimpse(database, forged, READ, accepted.id)
    async with database.enter(forged, AccessQuestion(READ).params) as (session, row):
        with pytest.raises(Unauthenticated):
            identity_of(row)
        assert await session.scalar(sa.select(Operation.id)) == accepted.id


async def test_what_is_asked_at_once_is_asked_for_its_own_tenant(
    database: Database, urls: Urls, founded: Founded, accepted: views.OperationView
) -> None:
    """The askers' connections are lent to one tenant after another."""
    other = await tenants.create_tenant(urls.owner, NewTenant("other", f"{uuid4()}@acme.test"))
    theirs = await asked(database, other, uuid4())
    for _ in range(20):
        for token, own, foreign in (
            (founded.token, accepted.id, theirs.id),
            (other.token, theirs.id, accepted.id),
        ):
            claim = claim_of(token)
            assert (await views.glimpse(database, claim, READ, own)).operation
            assert (await views.glimpse(database, claim, READ, foreign)).operation is None
    setting = await database.ask("SELECT nullif(current_setting('app.tenant_id', true), '') AS t")
    assert setting
    assert setting["t"] is None


async def test_two_cannot_hold_one_subject(database: Database, founded: Founded) -> None:
    subject = uuid4()
    first = await asked(database, founded, subject)
    with pytest.raises(OperationConflict) as refused:
        await asked(database, founded, subject)
    assert refused.value.members["conflicting_operation_id"] == str(first.id)


async def test_the_drivers_statements_are_part_of_the_sessions_transaction(
    database: Database, tenant: UUID
) -> None:
    async with database.begin(tenant) as session:
        first = await driver(session).fetchval("SELECT pg_current_xact_id()::text")
        assert await session.scalar(sa.text("SELECT pg_current_xact_id()::text")) == first
        assert await driver(session).fetchval("SELECT name FROM tenants") == "acme"
