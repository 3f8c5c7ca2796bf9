"""Namespaces of clusters."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from cks.db.models.base import (
    Base,
    Created,
    Document,
    Key,
    Str32,
    Str128,
    TenantOwned,
    Touched,
    tenant_key,
    within,
)


class Namespace(TenantOwned, Base):
    __tablename__ = "namespaces"
    __table_args__ = (
        tenant_key(),
        sa.UniqueConstraint("tenant_id", "cluster_id", "id"),
        within("clusters", "cluster_id"),
        within("users", "created_by", "SET NULL"),
        sa.Index("namespaces_name_per_cluster", "tenant_id", "cluster_id", "name", unique=True),
        sa.Index(None, "tenant_id", "created_by"),
    )

    id: Mapped[Key]
    name: Mapped[Str128]
    status: Mapped[Str32]
    cluster_id: Mapped[UUID]
    labels: Mapped[dict[str, str] | None]
    annotations: Mapped[dict[str, str] | None]
    quotas: Mapped[Document | None]
    usage: Mapped[Document | None]
    created_by: Mapped[UUID | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Touched]
