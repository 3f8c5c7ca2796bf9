from decimal import Decimal

import pytest

from cks.domain.billing.prices import (
    CONTROL_PLANE,
    DISK,
    PoolSize,
    ResourceType,
    Sku,
    Tariff,
    Unit,
    charges_of_cluster,
    charges_of_pool,
    hourly_cost,
    money,
    monthly_costs,
    node_sku,
    per_hour,
    sku_of,
)
from cks.domain.refusals import NoPrice

TARIFF = Tariff(
    "USD",
    {
        "control_plane": Decimal("0.10"),
        "disk": per_hour(Decimal("0.08"), Unit.GIB_MONTH),
        "node.m5.large": Decimal("0.096"),
    },
)
POOL = PoolSize("default", "m5.large", 2, 50)


def test_a_month_has_730_hours() -> None:
    assert per_hour(Decimal("0.08"), Unit.GIB_MONTH) == Decimal("0.0001095890")
    assert per_hour(Decimal(730), Unit.GIB_MONTH) == 1
    assert per_hour(Decimal("0.096"), Unit.HOUR) == Decimal("0.096")


@pytest.mark.parametrize(
    ("name", "sku"),
    [
        ("control_plane", CONTROL_PLANE),
        ("disk", DISK),
        (node_sku("m5.large"), Sku("node.m5.large", ResourceType.NODE, Unit.HOUR)),
        ("nodes.m5.large", None),
        ("", None),
    ],
)
def test_a_sku_is_a_control_plane_a_disk_or_a_node_of_a_type(name: str, sku: Sku | None) -> None:
    assert sku_of(name) == sku


def test_a_cluster_costs_its_control_plane_its_nodes_and_their_disks() -> None:
    charges = charges_of_cluster([POOL, PoolSize("more", "m5.large", 1, 10)], TARIFF)
    assert [(c.sku, c.pool, c.quantity) for c in charges] == [
        ("control_plane", None, 1),
        ("node.m5.large", "default", 2),
        ("disk", "default", 100),
        ("node.m5.large", "more", 1),
        ("disk", "more", 10),
    ]
    assert hourly_cost(charges) == Decimal("0.10") + 3 * Decimal("0.096") + 110 * Decimal(
        "0.0001095890"
    )


def test_what_the_parts_cost_in_a_month_adds_up_in_cents() -> None:
    odd = Tariff("USD", {sku: Decimal("0.0000061644") for sku in TARIFF.hourly})
    charges = charges_of_cluster([POOL], odd)
    months = monthly_costs(charges)
    assert all(month == month.quantize(Decimal("0.01")) for month in months)
    assert sum(months) == (hourly_cost(charges) * 730).quantize(Decimal("0.01"))


def test_what_has_no_price_is_named_with_the_currency() -> None:
    with pytest.raises(NoPrice) as refused:
        charges_of_pool(PoolSize(None, "p4d.24xlarge", 1, 10), TARIFF)
    assert refused.value.members == {"sku": "node.p4d.24xlarge", "currency": "USD"}


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        ("0", "0.00"),
        ("0.1", "0.10"),
        ("12.3400", "12.34"),
        ("1E-10", "0.0000000001"),
        ("1E+3", "1000.00"),
        ("0.2018493150", "0.201849315"),
    ],
)
def test_money_is_written_with_two_places_at_least_and_none_for_nothing(
    amount: str, written: str
) -> None:
    assert money(Decimal(amount)) == written
