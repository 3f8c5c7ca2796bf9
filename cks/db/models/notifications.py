"""Notifications of users."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from cks.db.models.base import Base, Created, Key, Str32, TenantOwned, tenant_key, within


class Notification(TenantOwned, Base):
    __tablename__ = "notifications"
    __table_args__ = (
        tenant_key(),
        within("users", "user_id"),
        sa.Index("notifications_newest", "tenant_id", "user_id", sa.text("created_at DESC"), "id"),
        sa.Index(
            "notifications_unread",
            "tenant_id",
            "user_id",
            postgresql_where=sa.text("NOT read"),
        ),
    )

    id: Mapped[Key]
    user_id: Mapped[UUID]
    type: Mapped[Str32]
    message: Mapped[str]
    read: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[Created]
