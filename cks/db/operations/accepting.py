"""From a wish to an operation: its row, its plan, what it holds, its first event.

All of it is one statement, and the row is its own outbox entry: once it is committed, the wish
is as good as under way.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from cks.db.operations import claims, events
from cks.db.operations.views import OperationView
from cks.db.session import driver
from cks.domain.access.permissions import Caller
from cks.domain.operations import snapshots
from cks.domain.operations.deadlines import Allowance
from cks.domain.operations.lifecycle import OperationRef, workflow_id
from cks.domain.operations.plans import PlannedStep, limit_seconds

ACCEPT = """
WITH {rows} accepted AS (
    INSERT INTO operations (
        id, tenant_id, type, status, resource_type, resource_id, resource_name, cluster_id,
        progress, request, workflow_id, created_by, actor_id, token_id, request_id,
        started_at, created_at, runnable_at, forward_until, deadline_at)
    VALUES ($1, $2::uuid, $3, 'pending', $4, $5::uuid, $6::varchar, $7, 0, $8::jsonb, $9,
            $10::uuid, $10::uuid, $11, $12, $13, $13, $13, $14, $15)
), planned AS (
    INSERT INTO operation_steps (
        tenant_id, operation_id, position, name, title, weight, resource_id)
    SELECT $2, $1, s.place - 1, s.name, s.title, s.weight, s.resource_id
      FROM unnest($16::text[], $17::text[], $18::int[], $19::uuid[]) WITH ORDINALITY
           AS s (name, title, weight, resource_id, place)
), told AS (
    INSERT INTO operation_events (tenant_id, operation_id, seq, event)
    VALUES ($2, $1, 1, $20::jsonb)
), held AS (
    INSERT INTO operation_claims (tenant_id, operation_id, resource_id, slot)
    VALUES ($2, $1, $21, '(,)') ON CONFLICT DO NOTHING RETURNING resource_id
)
SELECT EXISTS (SELECT FROM held) AS held, pg_notify($22, $23)
"""
"""``rows``: what is inserted beside it, each as a WITH query and a comma.  They may use ``$2`` the
tenant, ``$5`` and ``$6`` the subject's id and name, ``$8`` the request, ``$10`` who asked."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What an operation is about; a cluster's own operation has ``id == cluster_id``."""

    type: str
    id: UUID
    name: str
    cluster_id: UUID


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: the request with every choice made, and the plan that it comes to.

    It holds its subject alone.  One without a plan has no deadline: it ends in this transaction.
    ``rows`` as in ``ACCEPT``.
    """

    kind: str
    subject: Subject
    request: Mapping[str, object]
    steps: Sequence[PlannedStep] = ()
    allowance: Allowance | None = None
    rows: str = ""


async def accept(
    session: AsyncSession, caller: Caller, asked: Asked, at: datetime
) -> OperationView:
    """Record an operation: pending, runnable at once; ``at`` is the transaction's instant.

    Raise ``OperationConflict`` where another holds the subject.
    """
    view = _view(caller, asked, at)
    ref = OperationRef(caller.tenant_id, view.id)
    told = (*_row(caller, asked, view), *_plan(asked, view, ref))
    statement = ACCEPT.format(rows=asked.rows)
    written = await driver(session).fetchrow(statement, *told)
    if not written["held"]:
        await claims.hold_alone(session, ref, asked.subject.id)
    return view


def _view(caller: Caller, asked: Asked, at: datetime) -> OperationView:
    operation_id, subject = uuid7(), asked.subject
    deadlines = _deadlines(asked, at)
    return OperationView(
        id=operation_id,
        type=asked.kind,
        resource_type=subject.type,
        resource_id=subject.id,
        resource_name=subject.name,
        cluster_id=subject.cluster_id,
        request=dict(asked.request),
        created_at=at,
        actor_id=caller.user_id,
        email=caller.email,
        token_id=caller.token_id,
        workflow_id=workflow_id(asked.kind, operation_id),
        snapshot=snapshots.first_snapshot(asked.steps, deadlines[1]),
    )


def _deadlines(asked: Asked, at: datetime) -> tuple[datetime | None, datetime | None]:
    if asked.allowance is None:
        return None, None
    found = asked.allowance.from_now(limit_seconds(asked.steps), at)
    return found.forward_until, found.deadline_at


def _row(caller: Caller, asked: Asked, view: OperationView) -> tuple[object, ...]:
    return (
        view.id,
        caller.tenant_id,
        view.type,
        view.resource_type,
        view.resource_id,
        view.resource_name,
        view.cluster_id,
        json.dumps(view.request),
        view.workflow_id,
        caller.user_id,
        caller.token_id,
        caller.request_id,
        view.created_at,
        *_deadlines(asked, view.created_at),
    )


def _plan(asked: Asked, view: OperationView, ref: OperationRef) -> tuple[object, ...]:
    return (
        [step.name for step in asked.steps],
        [step.title for step in asked.steps],
        [step.expected_seconds for step in asked.steps],
        [step.resource_id for step in asked.steps],
        json.dumps(view.snapshot),
        asked.subject.id,
        events.CHANNEL,
        events.payload_of(ref, 1),
    )
