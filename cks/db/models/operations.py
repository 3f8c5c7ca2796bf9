"""Operations, their steps, what they told, what they hold, and the keys of repeated requests.

An operation's row is the outbox entry, the fence and the tenant's view in one.  A trigger
keeps what was said for good: a terminal status, an ``ending`` once set, the progress made.
"""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INT8RANGE, Range
from sqlalchemy.dialects.postgresql import base as postgresql
from sqlalchemy.orm import Mapped, mapped_column

from cks.db.models.base import (
    Base,
    Big,
    Created,
    Document,
    Key,
    Str8,
    Str32,
    Str64,
    Str80,
    Str128,
    Str200,
    Str255,
    Str512,
    TenantOwned,
    Touched,
    tenant_key,
    within,
    words,
)
from cks.domain.operations.lifecycle import Ending, OperationStatus, StepStatus
from cks.domain.operations.plans import ResourceKind, Undo

CLAIM_SLOTS = sa.Sequence("claim_slots")
"""Where a shared claim's slot ``[n, n+1)`` comes from; an exclusive one's is ``(,)``."""


FORWARD = sa.text("now() + interval '2 hours'")
DEADLINE = sa.text("now() + interval '3 hours'")
"""For what a version before deadlines accepts while this one is there already."""


class Xid8(sa.types.UserDefinedType[int]):
    """A transaction's number, which SQLAlchemy does not know by itself."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "XID8"


postgresql.ischema_names["xid8"] = Xid8


class Operation(TenantOwned, Base):
    """Work that was accepted; ``cluster_id``, ``actor_id`` and ``token_id`` are by value.

    ``failure`` has the code, fault and details of an error whose message is ``error``.
    ``runnable_at`` is null while it is queued behind another, and so are the deadlines.
    """

    __tablename__ = "operations"
    __table_args__ = (
        tenant_key(),
        within("users", "created_by", "SET NULL"),
        sa.Index(
            "operations_live",
            "status",
            "runnable_at",
            postgresql_where=sa.text("status IN ('pending', 'running')"),
        ),
        sa.Index(
            "operations_settled",
            "completed_at",
            postgresql_where=sa.text(
                "status IN ('completed', 'failed', 'cancelled') AND dispatched_at IS NOT NULL"
            ),
        ),
        sa.Index(
            "operations_due",
            "deadline_at",
            postgresql_where=sa.text("status IN ('pending', 'running')"),
        ),
        sa.Index("operations_newest", "tenant_id", sa.text("created_at DESC"), sa.text("id DESC")),
        sa.Index("operations_of_resource", "tenant_id", "resource_id", sa.text("created_at DESC")),
        sa.Index("operations_of_cluster", "tenant_id", "cluster_id", sa.text("created_at DESC")),
        sa.Index(None, "tenant_id", "created_by"),
        sa.Index(None, "tenant_id", "actor_id"),
    )

    id: Mapped[Key]
    type: Mapped[Str64]
    status: Mapped[OperationStatus] = mapped_column(
        words(OperationStatus, 32), server_default="pending"
    )
    resource_type: Mapped[Str32]
    resource_id: Mapped[UUID]
    resource_name: Mapped[Str128 | None]
    progress: Mapped[int] = mapped_column(server_default="0")
    started_at: Mapped[Created]
    completed_at: Mapped[datetime | None]
    error: Mapped[str | None]
    created_by: Mapped[UUID | None]
    cluster_id: Mapped[UUID | None]
    request: Mapped[Document | None]
    actor_id: Mapped[UUID | None]
    run_id: Mapped[Str64 | None]
    fence: Mapped[Big | None]
    ending: Mapped[Ending | None] = mapped_column(words(Ending, 16))
    workflow_id: Mapped[Str255 | None]
    cancel_requested_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    created_at: Mapped[Created]
    runnable_at: Mapped[datetime | None]
    dispatched_at: Mapped[datetime | None]
    held_until: Mapped[datetime | None]
    updated_at: Mapped[Touched]
    failure: Mapped[Document | None]
    token_id: Mapped[UUID | None]
    request_id: Mapped[Str64 | None]
    forward_until: Mapped[datetime | None] = mapped_column(server_default=FORWARD)
    deadline_at: Mapped[datetime | None] = mapped_column(server_default=DEADLINE)


class OperationStep(Base):
    """A step of the declared plan.  ``fraction`` is the part of it that is done, 0 to 1.

    ``undone_at``: when nothing was left of it any more.  ``orphaned_at``: when the operation
    ended without that; it is an orphan until ``undone_at``.  ``attempt`` counts under ``fence``.
    """

    __tablename__ = "operation_steps"
    __table_args__ = (
        sa.UniqueConstraint("operation_id", "name"),
        within("operations", "operation_id"),
        sa.Index(
            "operation_steps_orphaned",
            "tenant_id",
            "operation_id",
            postgresql_where=sa.text("orphaned_at IS NOT NULL AND undone_at IS NULL"),
        ),
    )

    tenant_id: Mapped[UUID]
    operation_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[Str80]
    title: Mapped[Str200]
    weight: Mapped[int]
    status: Mapped[StepStatus] = mapped_column(words(StepStatus, 16), server_default="pending")
    fraction: Mapped[float] = mapped_column(sa.Double, server_default="0")
    attempt: Mapped[int] = mapped_column(server_default="0")
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    last_error: Mapped[str | None]
    resource_id: Mapped[UUID | None]
    resource_name: Mapped[Str128 | None]
    stage: Mapped[int]
    action: Mapped[Str32]
    makes: Mapped[ResourceKind | None] = mapped_column(words(ResourceKind, 16))
    undo: Mapped[Undo] = mapped_column(words(Undo, 8))
    limit_seconds: Mapped[int]
    fence: Mapped[Big | None]
    undone_at: Mapped[datetime | None]
    orphaned_at: Mapped[datetime | None]


IS_ORPHAN = sa.and_(OperationStep.orphaned_at.is_not(None), OperationStep.undone_at.is_(None))


class OperationEvent(Base):
    """What an operation told; ``seq`` counts within it, under the lock of its row.

    Over operations ids commit out of order, so a reader of all goes by ``(xid, id)`` and
    stops below ``pg_snapshot_xmin(pg_current_snapshot())``: nothing that commits late is
    skipped.
    """

    __tablename__ = "operation_events"
    __table_args__ = (
        within("operations", "operation_id"),
        sa.Index("operation_events_in_order", "tenant_id", "xid", "id"),
        sa.Index(
            "operation_events_on_the_way",
            "tenant_id",
            "at",
            postgresql_where=sa.text("event->>'done' = 'false'"),
        ),
    )

    id: Mapped[Big] = mapped_column(sa.Identity(always=True))
    tenant_id: Mapped[UUID]
    operation_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    xid: Mapped[int] = mapped_column(Xid8, server_default=sa.func.pg_current_xact_id())
    at: Mapped[Created]
    event: Mapped[Document]


class OperationClaim(Base):
    """Who holds what: one writer or many readers per resource, by an exclusion constraint.

    Taken by ``INSERT … ON CONFLICT DO NOTHING``, the cluster's first, and deleted in the
    transaction that settles the operation.
    """

    __tablename__ = "operation_claims"
    __table_args__ = (within("operations", "operation_id"),)

    tenant_id: Mapped[UUID]
    operation_id: Mapped[UUID] = mapped_column(primary_key=True)
    resource_id: Mapped[UUID] = mapped_column(primary_key=True)
    slot: Mapped[Range[int]] = mapped_column(INT8RANGE)


class IdempotencyKey(Base):
    """A request that came with a key: its digest, and what it was answered or started.

    Token and operation are by value: the answer outlives both.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (sa.Index("idempotency_keys_by_age", "tenant_id", "created_at"),)

    tenant_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True
    )
    token_id: Mapped[UUID] = mapped_column(primary_key=True)
    method: Mapped[Str8] = mapped_column(primary_key=True)
    path: Mapped[Str512] = mapped_column(primary_key=True)
    key: Mapped[Str255] = mapped_column(primary_key=True)
    request_digest: Mapped[str] = mapped_column(sa.CHAR(64))
    operation_id: Mapped[UUID | None]
    answer_status: Mapped[int | None]
    answer: Mapped[Document | None]
    created_at: Mapped[Created]
