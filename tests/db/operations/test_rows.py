"""What is changed of an operation's state is what its rows say afterwards."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from cks.db.admin.tenants import Founded
from cks.db.operations import cancelling, events, operations
from cks.db.operations.requests import request_of
from cks.db.operations.rows import READ, state_of
from cks.db.session import Database, driver
from cks.domain.clusters.creation import CreateCluster
from cks.domain.clusters.pool_update import UpdateNodePool
from cks.domain.operations import moves, steps
from cks.domain.operations.failures import PROVIDER_UNAVAILABLE, failed_at
from cks.domain.operations.lifecycle import OperationRef, OperationStatus, StepStatus
from cks.domain.operations.plans import ResourceKind, Undo
from cks.domain.operations.state import OperationState
from tests.db.operations.test_views import asked

BUDGET = timedelta(seconds=5)


@pytest.fixture
async def ref(database: Database, founded: Founded) -> OperationRef:
    return OperationRef(founded.tenant_id, (await asked(database, founded, uuid4())).id)


def timeless(state: OperationState) -> OperationState:
    """Without what each look and each write sets anew."""
    return replace(state, now=state.created_at, updated_at=state.created_at)


async def test_every_way_to_read_one_says_the_same(database: Database, ref: OperationRef) -> None:
    async with database.hold(ref) as (session, row):
        assert row
        held = state_of(row)
        read = await driver(session).fetchrow(f"{READ} WHERE o.id = $1", ref.id)
        looked = await operations.read(session, ref.id)
        assert timeless(state_of(read)) == timeless(looked) == timeless(held)
        assert [step.name for step in held.steps][:2] == ["network", "control_plane"]


async def test_what_was_changed_is_written_and_the_rest_stays(
    database: Database, ref: OperationRef
) -> None:
    async with database.hold(ref) as (session, row):
        assert row
        state = state_of(row)
        state.run_id = "a-run"
        await operations.draw_fence(session, state)
        moves.take(state)
        network, plane = state.steps[:2]
        steps.begin(network, 2, state.acting_fence, state.now)
        steps.note_failure(network, "not today", BUDGET, state.now)
        await operations.turn_back(session, state, failed_at(PROVIDER_UNAVAILABLE, "the network"))
        steps.orphan(network, state.now)
        await events.record(session, state)
    async with database.begin(ref.tenant_id) as session:
        found = await operations.read(session, ref.id)
        assert timeless(found) == timeless(state)
        assert found.status is OperationStatus.RUNNING
        assert (found.steps[0].attempt, found.steps[0].last_error) == (2, "not today")
        assert found.steps[1] == plane
        assert plane.status is StepStatus.PENDING


async def test_a_state_that_nobody_records_was_not_changed(
    database: Database, ref: OperationRef
) -> None:
    async with database.hold(ref) as (_, row):
        assert row
        state_of(row).progress = 50
    async with database.begin(ref.tenant_id) as session:
        assert (await operations.read(session, ref.id)).progress == 0


async def test_what_is_not_there_is_held_by_nobody(database: Database, ref: OperationRef) -> None:
    async with database.hold(OperationRef(ref.tenant_id, uuid4())) as (_, row):
        assert row is None
    async with database.hold(OperationRef(uuid4(), ref.id)) as (_, row):
        assert row is None


async def test_who_comes_second_waits_or_leaves_it(database: Database, ref: OperationRef) -> None:
    async with database.hold(ref), database.begin(ref.tenant_id) as session:
        assert await operations.lock_if_free(session, ref.id) is None
    async with database.begin(ref.tenant_id) as session:
        assert await operations.lock_if_free(session, ref.id)


async def test_what_waits_without_deadlines_is_cancelled_at_once(
    database: Database, founded: Founded
) -> None:
    """As one that is queued behind another, which nobody may run yet."""
    waiting = await asked(database, founded, uuid4(), None)
    async with database.begin(founded.tenant_id) as session:
        found = await cancelling.request_cancel(session, waiting.id)
        assert found.status is OperationStatus.CANCELLED
        assert found.deadline_at is None


async def test_nothing_acts_without_deadlines_or_a_fence(
    database: Database, ref: OperationRef
) -> None:
    async with database.begin(ref.tenant_id) as session:
        found = await operations.read(session, ref.id)
        found.deadline_at = None
        with pytest.raises(AssertionError, match="without deadlines"):
            assert found.deadlines
        with pytest.raises(AssertionError, match="no run has taken"):
            assert found.acting_fence


async def test_a_request_of_another_type_is_not_read(database: Database, ref: OperationRef) -> None:
    async with database.begin(ref.tenant_id) as session:
        found = await operations.read(session, ref.id)
    assert request_of(found, CreateCluster).name
    with pytest.raises(TypeError, match=r"cluster\.create asks for CreateCluster"):
        request_of(found, UpdateNodePool)


FORMER = """
INSERT INTO operation_steps (tenant_id, operation_id, position, name, title, weight, resource_id)
VALUES (:tenant, :operation, 100, 'node_pool:web', 'Create node pool web (2 nodes)', 72, :pool)
"""


async def test_a_step_that_the_version_before_writes_says_what_its_name_meant(
    database: Database, ref: OperationRef
) -> None:
    """As an API process does that was not restarted yet when the schema came."""
    names = {"tenant": ref.tenant_id, "operation": ref.id, "pool": uuid4()}
    async with database.begin(ref.tenant_id) as session:
        await session.execute(sa.text(FORMER), names)
        step = (await operations.read(session, ref.id)).steps[-1]
    assert (step.action, step.stage, step.resource_name) == ("node_pool", 2, "web")
    assert (step.makes, step.undo) == (ResourceKind.NODE_POOL, Undo.REMOVE)
    assert step.limit_seconds == 30 * 60 + 30 * 2
