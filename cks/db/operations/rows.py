"""An operation as its rows hold it: read with its steps, changed under its lock, written back.

One trip reads an operation and all its steps, one writes what has changed of them together with
the event that tells of it (``events.record``).  Nothing is written behind anybody's back: who
changes a state records it, or nothing was changed.
"""

import json
from dataclasses import fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from cks.domain.operations.lifecycle import Ending, OperationStatus, StepStatus
from cks.domain.operations.state import OperationState, StepState

COLUMNS = """
       o.id, o.tenant_id, o.type, o.status, o.resource_type, o.resource_id, o.resource_name,
       o.cluster_id, o.progress, o.request, o.workflow_id, o.created_by, o.actor_id, o.token_id,
       o.request_id, o.created_at, o.started_at, o.completed_at, o.error, o.failure, o.run_id,
       o.fence, o.ending, o.cancel_requested_at, o.runnable_at, o.dispatched_at, o.updated_at,
       o.forward_until, o.deadline_at
"""


READ = f"""
SELECT {COLUMNS}, clock_timestamp() AS now, (
    SELECT jsonb_agg(to_jsonb(s) ORDER BY s.position) FROM operation_steps s
     WHERE s.operation_id = o.id) AS steps
  FROM operations o
"""  # noqa: S608  (our own columns)
"""As ``hold_operation`` (``0012_held_operations.sql``) returns one that it has locked."""


HOLD = "SELECT * FROM hold_operation($1, $2, $3)"


SAVE = """
WITH saved AS (
    UPDATE operations SET status = $2, progress = $3, started_at = $4, completed_at = $5,
           error = $6, failure = $7::jsonb, run_id = $8, fence = $9, ending = $10,
           cancel_requested_at = $11, dispatched_at = $12, forward_until = $13, deadline_at = $14,
           updated_at = now()
     WHERE id = $1 RETURNING tenant_id
), stepped AS (
    UPDATE operation_steps s
       SET status = n.status, fraction = n.fraction, attempt = n.attempt,
           started_at = n.started_at, completed_at = n.completed_at,
           failing_since = n.failing_since, last_error = n.last_error, fence = n.fence,
           undone_at = n.undone_at, orphaned_at = n.orphaned_at
      FROM jsonb_to_recordset($15::jsonb) AS n (
        position int, status text, fraction float8, attempt int, started_at timestamptz,
        completed_at timestamptz, failing_since timestamptz, last_error text, fence bigint,
        undone_at timestamptz, orphaned_at timestamptz)
     WHERE s.operation_id = $1 AND s.position = n.position
), told AS (
    INSERT INTO operation_events (tenant_id, operation_id, seq, event)
    SELECT tenant_id, $1, coalesce((SELECT max(seq) FROM operation_events
                                     WHERE operation_id = $1), 0) + 1, $16::jsonb
      FROM saved RETURNING tenant_id, seq
)
SELECT pg_notify($17, json_build_object(
           'tenant_id', tenant_id, 'operation_id', $1::uuid, 'seq', seq)::text) FROM told
"""


def state_of(row: asyncpg.Record | sa.Row[Any]) -> OperationState:
    """Return what a row of ``READ`` or of ``hold_operation`` says."""
    told = row._asdict() if isinstance(row, sa.Row) else dict(row)
    told["status"] = OperationStatus(told["status"])
    told["ending"] = Ending(told["ending"]) if told["ending"] else None
    told["request"] = told["request"] or {}
    told["workflow_id"] = told["workflow_id"] or ""
    told["steps"] = [_step_of(step) for step in told["steps"] or ()]
    state = OperationState(**told)
    state.written = [replace(step) for step in state.steps]
    return state


STEP_FIELDS = [field.name for field in fields(StepState)]


TIMES = [name for name in STEP_FIELDS if name.endswith(("_at", "_since"))]


def _step_of(said: dict[str, Any]) -> StepState:
    told = {name: said[name] for name in STEP_FIELDS}
    for name in TIMES:
        told[name] = datetime.fromisoformat(told[name]) if told[name] else None
    told["status"] = StepStatus(told["status"])
    told["resource_id"] = UUID(told["resource_id"]) if told["resource_id"] else None
    return StepState(**told)


async def save(
    connection: asyncpg.Connection, state: OperationState, event: str, channel: str
) -> None:
    """Write what has changed, together with the event that tells of it; announce that."""
    pairs = zip(state.steps, state.written, strict=True)
    changed = [_told(step) for step, before in pairs if step != before]
    await connection.fetch(
        SAVE,
        state.id,
        state.status,
        state.progress,
        state.started_at,
        state.completed_at,
        state.error,
        json.dumps(state.failure) if state.failure else None,
        state.run_id,
        state.fence,
        state.ending,
        state.cancel_requested_at,
        state.dispatched_at,
        state.forward_until,
        state.deadline_at,
        json.dumps(changed),
        event,
        channel,
    )
    state.written = [replace(step) for step in state.steps]


def _told(step: StepState) -> dict[str, object]:
    values = {name: getattr(step, name) for name in STEP_FIELDS}
    times = {name: values[name].isoformat() for name in TIMES if values[name]}
    return {**values, **times, "resource_id": str(step.resource_id)}
