"""Alerts, and the metrics of the seed's last resort (a time series database is the place)."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from cks.db.models.base import (
    Base,
    Created,
    Document,
    Key,
    Str16,
    Str32,
    Str128,
    TenantOwned,
    tenant_key,
)


class Alert(TenantOwned, Base):
    """``active`` until ``resolved_at``; its source is by value."""

    __tablename__ = "alerts"
    __table_args__ = (
        tenant_key(),
        sa.Index(
            "alerts_active",
            "tenant_id",
            sa.text("created_at DESC"),
            "id",
            postgresql_where=sa.text("active"),
        ),
    )

    id: Mapped[Key]
    name: Mapped[Str128]
    severity: Mapped[Str16]
    message: Mapped[str]
    source_type: Mapped[Str32]
    source_id: Mapped[UUID]
    source_name: Mapped[Str128 | None]
    active: Mapped[bool]
    created_at: Mapped[Created]
    resolved_at: Mapped[datetime | None]


class Metric(TenantOwned, Base):
    __tablename__ = "metrics"
    __table_args__ = (tenant_key(),)

    id: Mapped[Key]
    metric: Mapped[Document]
    values: Mapped[list[Document]]
