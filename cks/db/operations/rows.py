"""An operation's rows: read with its steps in one trip, written back in one.

What is read is what the tables have (``held_operation`` returns the row type), and what is
written is what ``WRITTEN`` and ``STEP_WRITTEN`` name: a new column that changes in an operation's
life is a field of the state and a word here.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from cks.domain.operations.lifecycle import Ending, OperationStatus, StepStatus
from cks.domain.operations.plans import ResourceKind, Undo
from cks.domain.operations.state import OperationState, StepState

HELD = "SELECT (h.operation).*, h.now, h.steps FROM held_operation({}) h"
"""``0016_typed_operations.sql``: an operation with its steps, as it is now."""
READ = """
SELECT o.*, clock_timestamp() AS now, (
    SELECT jsonb_agg(to_jsonb(s) ORDER BY s.position) FROM operation_steps s
     WHERE s.operation_id = o.id) AS steps
  FROM operations o
"""
"""The same for many operations, read-only."""

WRITTEN: Mapping[str, str] = {
    "status": "text",
    "progress": "int",
    "started_at": "timestamptz",
    "completed_at": "timestamptz",
    "error": "text",
    "failure": "jsonb",
    "run_id": "text",
    "fence": "bigint",
    "ending": "text",
    "cancel_requested_at": "timestamptz",
    "dispatched_at": "timestamptz",
    "forward_until": "timestamptz",
    "deadline_at": "timestamptz",
    "held_until": "timestamptz",
}
STEP_WRITTEN: Mapping[str, str] = {
    "status": "text",
    "fraction": "float8",
    "attempt": "int",
    "started_at": "timestamptz",
    "completed_at": "timestamptz",
    "failing_since": "timestamptz",
    "last_error": "text",
    "fence": "bigint",
    "undone_at": "timestamptz",
    "orphaned_at": "timestamptz",
}
"""Column → type, of what changes."""


def _set(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = n.{name}" for name in columns)


def _typed(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


# One JSON value instead of a parameter for each column: the statement follows WRITTEN by itself,
# and PostgreSQL casts each value to its column's type.
SAVE = f"""
WITH saved AS (
    UPDATE operations o SET {_set(WRITTEN)}, updated_at = now()
      FROM jsonb_to_record($2::jsonb) AS n ({_typed(WRITTEN)})
     WHERE o.id = $1 RETURNING o.tenant_id
), stepped AS (
    UPDATE operation_steps s SET {_set(STEP_WRITTEN)}
      FROM jsonb_to_recordset($3::jsonb) AS n (position int, {_typed(STEP_WRITTEN)})
     WHERE s.operation_id = $1 AND s.position = n.position
), told AS (
    INSERT INTO operation_events (tenant_id, operation_id, seq, event)
    SELECT tenant_id, $1, coalesce((SELECT max(seq) FROM operation_events
                                     WHERE operation_id = $1), 0) + 1, $4::jsonb
      FROM saved RETURNING tenant_id, seq
)
SELECT pg_notify($5, json_build_object(
           'tenant_id', tenant_id, 'operation_id', $1::uuid, 'seq', seq)::text) FROM told
"""  # noqa: S608  (our own columns)

FIELDS = tuple(f.name for f in fields(OperationState) if f.name not in ("steps", "written"))
STEP_FIELDS = tuple(f.name for f in fields(StepState))
TIMES = tuple(name for name in STEP_FIELDS if STEP_WRITTEN.get(name) == "timestamptz")


def state_of(row: asyncpg.Record | sa.Row[Any]) -> OperationState:
    """Return what a row of ``HELD`` or ``READ`` says."""
    found: Mapping[str, Any] = row._asdict() if isinstance(row, sa.Row) else row
    values = {name: found[name] for name in FIELDS}
    values["status"] = OperationStatus(values["status"])
    values["ending"] = Ending(values["ending"]) if values["ending"] else None
    values["request"] = values["request"] or {}
    values["workflow_id"] = values["workflow_id"] or ""
    state = OperationState(**values, steps=[_step_of(step) for step in found["steps"] or ()])
    state.written = [replace(step) for step in state.steps]
    return state


def _step_of(said: Mapping[str, Any]) -> StepState:
    values = {name: said[name] for name in STEP_FIELDS}
    for name in TIMES:
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    values["status"], values["undo"] = StepStatus(values["status"]), Undo(values["undo"])
    values["makes"] = ResourceKind(values["makes"]) if values["makes"] else None
    values["resource_id"] = UUID(values["resource_id"]) if values["resource_id"] else None
    return StepState(**values)


async def save(
    connection: asyncpg.Connection, state: OperationState, event: str, channel: str
) -> None:
    """Write what has changed, together with the event that reports it; announce that."""
    pairs = zip(state.steps, state.written, strict=True)
    steps = [_written(step, ("position", *STEP_WRITTEN)) for step, old in pairs if step != old]
    operation = json.dumps(_written(state, WRITTEN))
    await connection.fetch(SAVE, state.id, operation, json.dumps(steps), event, channel)
    state.written = [replace(step) for step in state.steps]


def _written(state: OperationState | StepState, names: Any) -> dict[str, object]:  # noqa: ANN401
    values = {name: getattr(state, name) for name in names}
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in values.items()}
