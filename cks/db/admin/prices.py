"""How operators set dated prices.

A price is never changed, only ended, and never in the past, so that past bills can be explained.
The next price of a SKU begins where the previous one ends.  A tenant's own price takes precedence
over the platform's for as long as it is valid.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from cks.db.activity_log import log_by_hand
from cks.db.admin.connection import NotDone, as_owner
from cks.db.admin.tenants import find_tenant
from cks.db.models.catalogue import InstanceType, ListedPrice
from cks.db.models.tenants import PLATFORM
from cks.domain.billing.prices import NODE, Sku, sku_of
from cks.domain.instants import rfc3339, rfc3339_or_none

PRICING = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('cks prices', 0))")
"""Held from reading a price until its successor is inserted."""
SOON = sa.text("SELECT date_trunc('second', now()) + interval '1 second'")


@dataclass(frozen=True, slots=True)
class PriceLine:
    """A price as operators read it; ``tenant_id`` is ``None`` for everybody's."""

    tenant_id: UUID | None
    sku: str
    unit: str
    unit_price: Decimal
    currency: str
    valid_from: str
    valid_to: str | None


@dataclass(frozen=True, slots=True)
class PriceChange:
    """Prices by SKU, in the unit in which each is listed; whose, and from when on.

    ``valid_from``: the next second, where it is ``None``.
    """

    prices: Mapping[str, Decimal]
    currency: str
    tenant_id: UUID = PLATFORM
    valid_from: datetime | None = None


async def set_prices(connection: AsyncConnection, change: PriceChange) -> list[PriceLine]:
    """End the prices in force and begin others; return the new ones.

    A price that is already as requested stays.  Raise ``NotDone`` for an instant in the past, for
    an unknown SKU, and if a later price is already set.
    """
    await connection.execute(PRICING)
    begins = await _not_past(connection, change.valid_from)
    new = []
    for name, price in change.prices.items():
        sku = await _known(connection, name)
        if await _end_open(connection, change, name, begins, unless=price):
            row = _row(sku, price, change, begins)
            await connection.execute(sa.insert(ListedPrice).values(**row))
            new.append(_line(row))
    return new


async def end_price(connection: AsyncConnection, change: PriceChange, name: str) -> None:
    """End a price without a successor; raise ``NotDone`` if none is in force."""
    await connection.execute(PRICING)
    ends = await _not_past(connection, change.valid_from)
    if await _open(connection, change, name) is None:
        raise NotDone(f"{name} has no price in {change.currency} to end.")
    await _end_open(connection, change, name, ends, unless=None)


async def add(url: str, tenant: str | None, change: PriceChange) -> list[PriceLine]:
    """Begin prices for a tenant, or for everybody; return the new ones."""
    async with as_owner(url) as connection:
        change = await _of(connection, tenant, change)
        new = await set_prices(connection, change)
        detail = {"skus": [line.sku for line in new], "currency": change.currency}
        subject = ("tenant", change.tenant_id)
        await log_by_hand(connection, change.tenant_id, "prices.add", subject, detail)
    return new


async def end(url: str, tenant: str | None, name: str, change: PriceChange) -> None:
    """End a tenant's or everybody's price, without a successor."""
    async with as_owner(url) as connection:
        change = await _of(connection, tenant, change)
        await end_price(connection, change, name)
        detail = {"skus": [name], "currency": change.currency}
        subject = ("tenant", change.tenant_id)
        await log_by_hand(connection, change.tenant_id, "prices.end", subject, detail)


async def listing(url: str) -> list[PriceLine]:
    """Return all past, present and future prices."""
    one = ListedPrice
    query = sa.select(one.__table__).order_by(one.sku, one.currency, one.tenant_id, one.valid_from)
    async with as_owner(url) as connection:
        return [_line(row._asdict()) for row in await connection.execute(query)]


async def _of(connection: AsyncConnection, tenant: str | None, change: PriceChange) -> PriceChange:
    return replace(change, tenant_id=await find_tenant(connection, tenant)) if tenant else change


async def _not_past(connection: AsyncConnection, at: datetime | None) -> datetime:
    soon: datetime = (await connection.execute(SOON)).scalar_one()
    if at and at < soon:
        raise NotDone(f"A price must begin and end in the future: at {rfc3339(soon)} or later.")
    return at or soon


async def _end_open(
    connection: AsyncConnection,
    change: PriceChange,
    name: str,
    at: datetime,
    *,
    unless: Decimal | None,
) -> bool:
    """End the open-ended price; return whether to begin another: not if it is ``unless``."""
    found = await _open(connection, change, name)
    if found is None:
        return True
    if found.unit_price == unless:
        return False
    if found.valid_from >= at:
        raise NotDone(f"{name} already has a price from {rfc3339(found.valid_from)} on.")
    ended = sa.update(ListedPrice).where(ListedPrice.id == found.id)
    await connection.execute(ended.values(valid_to=at))
    return True


async def _open(
    connection: AsyncConnection, change: PriceChange, name: str
) -> sa.Row[UUID, Decimal, datetime] | None:
    one = ListedPrice
    query = sa.select(one.id, one.unit_price, one.valid_from).where(
        one.tenant_id == change.tenant_id,
        one.sku == name,
        one.currency == change.currency,
        one.valid_to.is_(None),
    )
    return (await connection.execute(query)).first()


def _row(sku: Sku, price: Decimal, change: PriceChange, begins: datetime) -> dict[str, object]:
    return {
        "id": uuid7(),
        "tenant_id": change.tenant_id,
        "sku": sku.name,
        "resource_type": sku.resource_type,
        "unit": sku.unit,
        "unit_price": price,
        "currency": change.currency,
        "valid_from": begins,
        "valid_to": None,
    }


def _line(row: Mapping[str, Any]) -> PriceLine:
    tenant_id = row["tenant_id"]
    return PriceLine(
        tenant_id=None if tenant_id == PLATFORM else tenant_id,
        sku=row["sku"],
        unit=row["unit"],
        unit_price=row["unit_price"],
        currency=row["currency"],
        valid_from=rfc3339(row["valid_from"]),
        valid_to=rfc3339_or_none(row["valid_to"]),
    )


async def _known(connection: AsyncConnection, name: str) -> Sku:
    """Return a SKU by name; raise ``NotDone`` for an unknown one, or an unknown instance type."""
    sku = sku_of(name)
    if sku and name.startswith(NODE):
        known = sa.select(InstanceType.name).where(InstanceType.name == name.removeprefix(NODE))
        sku = sku if await connection.scalar(known) else None
    if sku is None:
        raise NotDone(f"There is no SKU {name}; use control_plane, disk or node.<instance type>.")
    return sku
