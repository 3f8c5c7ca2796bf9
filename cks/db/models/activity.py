"""The activity log: append-only, chained per tenant, and without a personal value in it.

A trigger sets ``seq`` and the hashes.  Values about a person stand beside the log, each under
its own salt, and the chain holds digests alone: deleting them erases a person, and the chain
still verifies.  The log's row is the last statement of its transaction, since the lock on the
chain's head lasts until the commit.
"""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from cks.db.models.base import (
    Base,
    Big,
    Created,
    Document,
    Key,
    Str8,
    Str16,
    Str64,
    Str128,
    TenantOwned,
    tenant_key,
)


class ActivityLog(TenantOwned, Base):
    """``user_id`` is by value: the row outlives its user.  ``detail`` names no person."""

    __tablename__ = "activity_logs"
    __table_args__ = (
        tenant_key(),
        sa.UniqueConstraint("tenant_id", "seq"),
        sa.Index("activity_recent", "tenant_id", sa.text("timestamp DESC"), "id"),
        sa.Index(
            "activity_of_resource",
            "tenant_id",
            "resource_type",
            "resource_id",
            sa.text("timestamp DESC"),
        ),
    )

    id: Mapped[Key]
    user_id: Mapped[UUID | None]
    action: Mapped[Str128]
    resource_type: Mapped[Str64 | None]
    resource_id: Mapped[UUID | None]
    timestamp: Mapped[Created]
    status: Mapped[Str16]
    seq: Mapped[Big] = mapped_column(server_default=sa.FetchedValue())
    request_id: Mapped[Str64 | None]
    actor_type: Mapped[Str16] = mapped_column(server_default="user")
    token_id: Mapped[UUID | None]
    actor_digest: Mapped[bytes | None]
    address_digest: Mapped[bytes | None]
    agent_digest: Mapped[bytes | None]
    permission: Mapped[Str64 | None]
    reason: Mapped[str | None]
    detail: Mapped[Document | None]
    prev_hash: Mapped[bytes | None] = mapped_column(server_default=sa.FetchedValue())
    hash: Mapped[bytes | None] = mapped_column(server_default=sa.FetchedValue())


class LogPerson(TenantOwned, Base):
    """A person's value (``kind``: actor, address or agent), and the digest the log holds."""

    __tablename__ = "log_people"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "user_id", "kind", "value"),)

    tenant_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True
    )
    user_id: Mapped[UUID]
    kind: Mapped[Str8]
    value: Mapped[str]
    salt: Mapped[bytes]
    digest: Mapped[bytes] = mapped_column(primary_key=True)


class AuditHead(Base):
    """Where a tenant's chain ends; moved by the trigger alone."""

    __tablename__ = "audit_heads"

    tenant_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True
    )
    seq: Mapped[Big]
    hash: Mapped[bytes]
