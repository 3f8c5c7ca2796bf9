"""Documentation, help tickets, questions and answers.

Documents of the platform tenant are read by every tenant.
"""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from cks.db.models.base import (
    Base,
    Created,
    Key,
    Str32,
    Str64,
    Str255,
    TenantOwned,
    Touched,
    tenant_key,
    within,
)


class Doc(TenantOwned, Base):
    """``tsv`` is what a search looks through: title, category, content, in falling weight."""

    __tablename__ = "docs"
    __table_args__ = (tenant_key(), sa.Index("docs_tsv", "tsv", postgresql_using="gin"))

    id: Mapped[Key]
    title: Mapped[Str255]
    content: Mapped[str]
    category: Mapped[Str64 | None]
    tags: Mapped[list[str] | None] = mapped_column(sa.ARRAY(sa.String(255)))
    created_at: Mapped[Created]
    updated_at: Mapped[Touched]
    tsv: Mapped[str | None] = mapped_column(TSVECTOR, server_default=sa.FetchedValue())


class HelpTicket(TenantOwned, Base):
    __tablename__ = "help_tickets"
    __table_args__ = (
        tenant_key(),
        within("users", "user_id", "SET NULL"),
        sa.Index(None, "tenant_id", "user_id"),
    )

    id: Mapped[Key]
    user_id: Mapped[UUID | None]
    subject: Mapped[Str255]
    description: Mapped[str]
    status: Mapped[Str32] = mapped_column(server_default="open")
    created_at: Mapped[Created]
    updated_at: Mapped[Touched]


class QaQuestion(TenantOwned, Base):
    __tablename__ = "qa_questions"
    __table_args__ = (
        tenant_key(),
        within("users", "user_id", "SET NULL"),
        sa.Index(None, "tenant_id", "user_id"),
    )

    id: Mapped[Key]
    user_id: Mapped[UUID | None]
    question: Mapped[str]
    created_at: Mapped[Created]


class QaAnswer(TenantOwned, Base):
    __tablename__ = "qa_answers"
    __table_args__ = (
        tenant_key(),
        within("qa_questions", "question_id"),
        within("users", "user_id", "SET NULL"),
        sa.Index(None, "tenant_id", "question_id"),
        sa.Index(None, "tenant_id", "user_id"),
    )

    id: Mapped[Key]
    question_id: Mapped[UUID]
    user_id: Mapped[UUID | None]
    answer: Mapped[str]
    created_at: Mapped[Created]
