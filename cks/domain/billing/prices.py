"""Prices: what a SKU costs per hour, and which SKUs a cluster consists of.

A cluster is a control plane, its nodes, and their disks; each is a SKU.  A month is 730 hours
(8,760 hours a year by twelve), as AWS's and Google Cloud's calculators have it: prices listed per
month are rated per hour, and estimates are given per hour and month.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from cks.domain.billing.rating import PRECISE, share_out
from cks.domain.refusals import NoPrice

HOURS_PER_MONTH = 730
PRICE = Decimal("1E-10")
"""The precision of a price per hour: a line's price times its hours is its cost."""


class Unit(StrEnum):
    """The unit in which a price is listed."""

    HOUR = "hour"
    GIB_MONTH = "GiB-month"


class ResourceType(StrEnum):
    """What is billed."""

    CONTROL_PLANE = "control_plane"
    NODE = "node"
    DISK = "disk"


@dataclass(frozen=True, slots=True)
class Sku:
    """Something that has a price, and the unit in which it is listed."""

    name: str
    resource_type: ResourceType
    unit: Unit


CONTROL_PLANE = Sku("control_plane", ResourceType.CONTROL_PLANE, Unit.HOUR)
DISK = Sku("disk", ResourceType.DISK, Unit.GIB_MONTH)
NODE = "node."


def sku_of(name: str) -> Sku | None:
    """Return a SKU by name; ``None`` for a name that no SKU can have."""
    if name.startswith(NODE):
        return Sku(name, ResourceType.NODE, Unit.HOUR)
    return {sku.name: sku for sku in (CONTROL_PLANE, DISK)}.get(name)


def node_sku(instance_type: str) -> str:
    """Return the SKU of a node of that type."""
    return NODE + instance_type


def per_hour(unit_price: Decimal, unit: Unit) -> Decimal:
    """Return what one unit costs per hour, to 10 decimal places."""
    hours = HOURS_PER_MONTH if unit is Unit.GIB_MONTH else 1
    return PRECISE.quantize(PRECISE.divide(unit_price, Decimal(hours)), PRICE)


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a tenant pays per unit and hour now, by SKU, in their currency."""

    currency: str
    hourly: Mapping[str, Decimal]

    def price_of(self, sku: str) -> Decimal:
        """Return a SKU's price per unit and hour; raise ``NoPrice`` if there is none."""
        if sku not in self.hourly:
            detail = f"There is no price for {sku} in {self.currency}."
            raise NoPrice(detail, members={"sku": sku, "currency": self.currency})
        return self.hourly[sku]


@dataclass(frozen=True, slots=True)
class PoolSize:
    """What the cost of a pool depends on; ``disk_size`` in GiB per node."""

    name: str | None
    instance_type: str
    node_count: int
    disk_size: int


@dataclass(frozen=True, slots=True)
class Charge:
    """A part of an estimate: ``quantity`` units of a SKU, at a price per unit and hour.

    ``pool``: the node pool, ``None`` for the control plane.
    """

    resource_type: ResourceType
    sku: str
    pool: str | None
    quantity: int
    unit_price: Decimal

    @property
    def hourly(self) -> Decimal:
        return PRECISE.multiply(self.unit_price, Decimal(self.quantity))


def charges_of_cluster(pools: Iterable[PoolSize], tariff: Tariff) -> list[Charge]:
    """Return what a cluster with these pools costs per hour, part by part; raise ``NoPrice``."""
    price = tariff.price_of(CONTROL_PLANE.name)
    plane = Charge(ResourceType.CONTROL_PLANE, CONTROL_PLANE.name, None, 1, price)
    return [plane, *(charge for pool in pools for charge in charges_of_pool(pool, tariff))]


def charges_of_pool(pool: PoolSize, tariff: Tariff) -> list[Charge]:
    """Return what a pool's nodes and their disks cost per hour; raise ``NoPrice``."""
    nodes, gib = pool.node_count, pool.node_count * pool.disk_size
    sku = node_sku(pool.instance_type)
    return [
        Charge(ResourceType.NODE, sku, pool.name, nodes, tariff.price_of(sku)),
        Charge(ResourceType.DISK, DISK.name, pool.name, gib, tariff.price_of(DISK.name)),
    ]


def hourly_cost(charges: Iterable[Charge]) -> Decimal:
    """Return the exact sum per hour."""
    return sum((charge.hourly for charge in charges), Decimal(0))


def monthly_costs(charges: Iterable[Charge]) -> list[Decimal]:
    """Return what each part costs in a month of 730 hours, in whole cents that add up."""
    exact = {place: charge.hourly * HOURS_PER_MONTH for place, charge in enumerate(charges)}
    return list(share_out(exact).values())


def money(amount: Decimal) -> str:
    """Format an amount without an exponent, with at least two decimals and no trailing zeros."""
    whole, _, places = f"{amount:f}".partition(".")
    return f"{whole}.{places.rstrip('0'):0<2}"
