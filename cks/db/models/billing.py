"""Billing periods and their lines.  What is closed stays as it is.

Periods of a tenant are a chain: each names the end of its predecessor, so that there is no
gap, no overlap and no fork.  ``end_date`` is exclusive; ``starts_at`` and ``ends_at`` are the
instants, in the zone then in force.
"""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from cks.db.models.base import (
    Base,
    Key,
    Money,
    Str8,
    Str16,
    Str32,
    Str64,
    Str128,
    Str200,
    TenantOwned,
    tenant_key,
)


class BillingPeriod(TenantOwned, Base):
    __tablename__ = "billing_periods"
    __table_args__ = (
        tenant_key(),
        sa.UniqueConstraint("tenant_id", "previous_end", name="billing_periods_no_fork"),
        sa.UniqueConstraint("tenant_id", "end_date"),
        sa.UniqueConstraint("tenant_id", "id", "currency"),
        sa.UniqueConstraint("tenant_id", "invoice_number"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "previous_end"],
            ["billing_periods.tenant_id", "billing_periods.end_date"],
        ),
        sa.Index(
            "billing_periods_one_first",
            "tenant_id",
            unique=True,
            postgresql_where=sa.text("previous_end IS NULL"),
        ),
    )

    id: Mapped[Key]
    start_date: Mapped[date]
    end_date: Mapped[date]
    total_cost: Mapped[Money] = mapped_column(server_default="0")
    currency: Mapped[Str8]
    status: Mapped[Str16] = mapped_column(server_default="open")
    closed_at: Mapped[datetime | None]
    invoice_number: Mapped[Str32 | None]
    lines_sha256: Mapped[str | None] = mapped_column(sa.CHAR(64))
    timezone: Mapped[Str64] = mapped_column(server_default="UTC")
    previous_end: Mapped[date | None]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]


class BillingUsage(TenantOwned, Base):
    """A line.  ``cost_exact`` is what ``cost`` was rounded from, ``quantity`` likewise."""

    __tablename__ = "billing_usage"
    __table_args__ = (
        tenant_key(),
        sa.ForeignKeyConstraint(
            ["tenant_id", "billing_period_id", "currency"],
            ["billing_periods.tenant_id", "billing_periods.id", "billing_periods.currency"],
            ondelete="RESTRICT",
        ),
        sa.UniqueConstraint(
            "tenant_id", "billing_period_id", "line_key", name="billing_usage_line_once"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "corrects_period_id"],
            ["billing_periods.tenant_id", "billing_periods.id"],
        ),
        sa.Index(None, "tenant_id", "billing_period_id", "currency"),
        sa.Index(None, "tenant_id", "corrects_period_id"),
    )

    id: Mapped[Key]
    billing_period_id: Mapped[UUID]
    resource_type: Mapped[Str32]
    amount: Mapped[Money]
    unit: Mapped[Str16]
    cost: Mapped[Money]
    currency: Mapped[Str8]
    line_key: Mapped[Str200]
    sku: Mapped[Str64]
    resource_id: Mapped[UUID | None]
    resource_name: Mapped[Str128 | None]
    cluster_id: Mapped[UUID | None]
    usage_start: Mapped[datetime]
    usage_end: Mapped[datetime]
    quantity: Mapped[Decimal] = mapped_column(sa.Numeric(28, 9))
    unit_price: Mapped[Decimal] = mapped_column(sa.Numeric(20, 10))
    cost_exact: Mapped[Decimal] = mapped_column(sa.Numeric(38, 18))
    charge_category: Mapped[Str16] = mapped_column(server_default="Usage")
    charge_class: Mapped[Str16 | None]
    corrects_period_id: Mapped[UUID | None]
