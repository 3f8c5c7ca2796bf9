"""Accepts a request as an operation: its row, its plan, its claims, its first event.

All of it is one statement, and the row is its own outbox entry: once it is committed, the work
is as good as started.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from cks.db.operations import claims, events, operations, settling
from cks.db.operations.effects import Effects
from cks.db.operations.requests import document_of
from cks.db.operations.views import OperationView, view_of
from cks.db.session import driver
from cks.domain.access.permissions import Caller
from cks.domain.operations import snapshots
from cks.domain.operations.deadlines import Allowance
from cks.domain.operations.lifecycle import OperationRef, workflow_id
from cks.domain.operations.plans import Plan
from cks.domain.operations.types import OperationType, Subject

ACCEPT = """
WITH {beside} accepted AS (
    INSERT INTO operations (
        id, tenant_id, type, status, resource_type, resource_id, resource_name, cluster_id,
        progress, request, workflow_id, created_by, actor_id, token_id, request_id,
        started_at, created_at, runnable_at, forward_until, deadline_at)
    VALUES ($1, $2, $3, 'pending', $4, $5, $6, $7, 0, $8::jsonb, $9, $10, $10, $11, $12,
            $13, $13, $13, $14, $15)
), planned AS (
    INSERT INTO operation_steps (
        tenant_id, operation_id, position, name, title, weight, resource_id, resource_name, stage,
        action, makes, undo, limit_seconds)
    SELECT $2, $1, s.position, s.name, s.title, s.weight, s.resource_id, s.resource_name, s.stage,
           s.action, s.makes, s.undo, s.limit_seconds
      FROM jsonb_to_recordset($16::jsonb) AS s (
        position int, name text, title text, weight int, resource_id uuid, resource_name text,
        stage int, action text, makes text, undo text, limit_seconds int)
), told AS (
    INSERT INTO operation_events (tenant_id, operation_id, seq, event)
    VALUES ($2, $1, 1, $17::jsonb)
), held AS (
    INSERT INTO operation_claims (tenant_id, operation_id, resource_id, slot)
    SELECT $2, $1, c.resource_id, claim_slot(c.shared)
      FROM unnest($18::uuid[], $19::bool[]) WITH ORDINALITY AS c (resource_id, shared, place)
     ORDER BY c.place
    ON CONFLICT DO NOTHING RETURNING resource_id
)
SELECT (SELECT count(*) FROM held) AS held, pg_notify($20, $21)
"""
# Claims are tried by inserting, never by looking first: between a look and an insert another one
# could commit.  What conflicts inserts nothing, and the count tells.
OWN_PARAMETERS = 21


@dataclass(frozen=True, slots=True)
class Beside:
    """What is written in the same trip: WITH queries, each with a comma after it.

    They have parameters of their own, ``@1`` and so on.
    """

    queries: str = ""
    params: tuple[object, ...] = ()


NOTHING = Beside()


@cache
def _statement(queries: str) -> str:
    """Return the statement, with the parameters of what is beside it after its own."""
    numbered = re.sub(r"@(\d+)", lambda at: f"${OWN_PARAMETERS + int(at[1])}", queries)
    return ACCEPT.format(beside=numbered)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request of one type about its subject, with every choice made, and how long it may take."""

    kind: OperationType
    effects: Effects
    subject: Subject
    asked: object
    allowance: Allowance | None = None

    @property
    def plan(self) -> Plan:
        return self.kind.plan(self.asked)


async def accept(
    session: AsyncSession,
    caller: Caller,
    accepted: Accepted,
    at: datetime,
    beside: Beside = NOTHING,
) -> OperationView:
    """Record an operation: pending, runnable at once; ``at`` is the transaction's instant.

    One whose plan has no step is complete when this returns.  Raise ``OperationConflict`` where
    another holds what it claims.  A new resource is written ``beside`` it: each trip less counts
    (docs/performance.md).
    """
    plan = accepted.plan
    view, deadlines = _view(caller, accepted, plan, at)
    ref = OperationRef(caller.tenant_id, view.id)
    wanted = accepted.kind.claims(accepted.subject)
    written = await driver(session).fetchrow(
        _statement(beside.queries),
        *_row(caller, view, deadlines),
        json.dumps(list(_steps(plan))),
        json.dumps(view.snapshot),
        [claim.resource_id for claim in wanted],
        [claim.shared for claim in wanted],
        events.CHANNEL,
        events.payload_of(ref, 1),
        *beside.params,
    )
    if written["held"] < len(wanted):
        await claims.hold(session, ref, wanted)
    return view if plan.stages else await _completed(session, view.id, accepted.effects)


async def _completed(session: AsyncSession, operation_id: UUID, effects: Effects) -> OperationView:
    operation = await operations.lock(session, operation_id)
    await settling.settle(session, operation, effects)
    return await view_of(session, operation)


Times = tuple[datetime | None, datetime | None]


def _view(
    caller: Caller, accepted: Accepted, plan: Plan, at: datetime
) -> tuple[OperationView, Times]:
    """Return the operation as it will be read, and until when it goes forward and has ended."""
    operation_id, kind, subject = uuid7(), accepted.kind, accepted.subject
    forward_until, deadline_at = _deadlines(accepted.allowance, plan, at)
    view = OperationView(
        id=operation_id,
        type=kind.name,
        resource_type=subject.type,
        resource_id=subject.id,
        resource_name=subject.name,
        cluster_id=subject.cluster_id,
        request=document_of(kind.name, accepted.asked),
        created_at=at,
        actor_id=caller.user_id,
        email=caller.email,
        token_id=caller.token_id,
        workflow_id=workflow_id(kind.name, operation_id),
        snapshot=snapshots.first_snapshot(kind, plan, deadline_at),
    )
    return view, (forward_until, deadline_at)


def _deadlines(allowance: Allowance | None, plan: Plan, at: datetime) -> Times:
    if allowance is None or not plan.stages:
        return None, None
    found = allowance.from_now(plan.limit_seconds, at)
    return found.forward_until, found.deadline_at


def _row(caller: Caller, view: OperationView, deadlines: Times) -> tuple[object, ...]:
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
        *deadlines,
    )


def _steps(plan: Plan) -> Iterator[dict[str, object]]:
    """Yield the rows of the plan's steps."""
    placed = [(number, step) for number, stage in enumerate(plan.stages) for step in stage]
    for position, (number, step) in enumerate(placed):
        yield {
            "position": position,
            "stage": number,
            "name": step.name,
            "title": step.title,
            "weight": step.expected_seconds,
            "resource_id": _text(step.resource_id),
            "resource_name": step.resource_name,
            "action": step.action,
            "makes": step.makes,
            "undo": step.undo,
            "limit_seconds": step.limit_seconds,
        }


def _text(value: UUID | None) -> str | None:
    return str(value) if value else None
