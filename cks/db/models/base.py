"""What all tables have in common: their types, their keys, and their tenant.

The migrations make the schema; CHECKs, triggers, policies and grants stand there alone.
These classes say what queries need, and ``alembic check`` keeps the two from drifting
apart in columns, types, keys and indexes.  Names of keys and indexes follow PostgreSQL's own.
"""

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from uuid_utils.compat import uuid7

NOW = sa.func.now()

Document = dict[str, object]
"""A JSON object that only its writer and its reader interpret."""

Key = Annotated[UUID, mapped_column(primary_key=True, default=uuid7)]
Created = Annotated[datetime, mapped_column(server_default=NOW)]
Touched = Annotated[datetime, mapped_column(server_default=NOW, onupdate=NOW)]
Big = Annotated[int, mapped_column(sa.BigInteger)]
Money = Annotated[Decimal, mapped_column(sa.Numeric(12, 2))]
Str8 = Annotated[str, mapped_column(sa.String(8))]
Str16 = Annotated[str, mapped_column(sa.String(16))]
Str32 = Annotated[str, mapped_column(sa.String(32))]
Str64 = Annotated[str, mapped_column(sa.String(64))]
Str80 = Annotated[str, mapped_column(sa.String(80))]
Str128 = Annotated[str, mapped_column(sa.String(128))]
Str200 = Annotated[str, mapped_column(sa.String(200))]
Str255 = Annotated[str, mapped_column(sa.String(255))]
Str512 = Annotated[str, mapped_column(sa.String(512))]


def words(kind: type[Enum], length: int) -> sa.Enum:
    """A VARCHAR of an enum's words, whose CHECK the migration makes.

    Not a native enum: comparing those is not leakproof, so row security would keep an index
    on one from being used.
    """
    return sa.Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=length,
        values_callable=lambda enum: [member.value for member in enum],
    )


class Base(DeclarativeBase):
    metadata = sa.MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: sa.TIMESTAMP(timezone=True),
        str: sa.Text(),
        Document: JSONB(none_as_null=True),
        dict[str, str]: JSONB(none_as_null=True),
        list[Document]: JSONB(none_as_null=True),
        list[dict[str, str]]: JSONB(none_as_null=True),
    }


class TenantOwned:
    """A row of one tenant; row security compares this column with ``app.tenant_id``."""

    tenant_id: Mapped[UUID] = mapped_column(sa.ForeignKey("tenants.id", ondelete="RESTRICT"))


def tenant_key() -> sa.UniqueConstraint:
    """The key by which children name a row together with its tenant."""
    return sa.UniqueConstraint("tenant_id", "id")


def within(parent: str, column: str, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    """Tie a row to a parent of the same tenant, since row security does not check foreign keys.

    ``SET NULL`` empties the one column, never ``tenant_id``.
    """
    action = f"SET NULL ({column})" if ondelete == "SET NULL" else ondelete
    return sa.ForeignKeyConstraint(
        ["tenant_id", column], [f"{parent}.tenant_id", f"{parent}.id"], ondelete=action
    )
