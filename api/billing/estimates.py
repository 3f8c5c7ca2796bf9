"""``/v1/billing``: what something costs."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from api.clusters.new_cluster import MOST_POOLS, NewCluster, NewNodePool
from api.clusters.on_offer import what_is_on_offer
from api.http.endpoint import Call, Endpoint, Reply
from api.http.fields import Label
from api.http.validation import Either, Query, ResponseBody
from api.tags import CATALOGUE
from cks.db.access.decisions import Target
from cks.db.billing.tariff import current_tariff
from cks.domain.billing.prices import (
    Charge,
    PoolSize,
    charges_of_cluster,
    charges_of_pool,
    hourly_cost,
    money,
    monthly_costs,
)
from cks.domain.refusals import NoPrice


class PoolSpec(NewNodePool):
    """A node pool to estimate; the name is optional."""

    name: Label | None = None  # type: ignore[assignment]


class ClusterSpec(NewCluster):
    """A cluster to estimate; the name is optional."""

    name: Label | None = None  # type: ignore[assignment]
    node_pools: Annotated[list[PoolSpec], Field(min_length=1, max_length=MOST_POOLS)]  # type: ignore[assignment]


class ChargeBody(ResponseBody):
    """The cost of one part."""

    resource_type: Literal["control_plane", "node", "disk"]
    sku: str
    node_pool: str | None
    """The node pool; null for the control plane and for a pool without a name."""
    quantity: int
    """The number of control planes, nodes or GiB of disk."""
    unit_price: str
    """The price of one unit per hour."""
    hourly: str
    monthly: str


class EstimateBody(ResponseBody):
    """The estimated cost at current prices."""

    currency: str
    hourly: str
    monthly: str
    """The cost of 730 hours: the sum of the charges."""
    charges: list[ChargeBody]


async def estimate_cost(call: Call[ClusterSpec | PoolSpec, Query]) -> Reply:
    """Price a cluster or pool as given; version and types are validated as for creating it."""
    tariff = await current_tariff(call.session)
    asked = call.body
    if isinstance(asked, ClusterSpec):
        charges = charges_of_cluster([_size(pool) for pool in asked.node_pools], tariff)
    else:
        charges = charges_of_pool(_size(asked), tariff)
    months = monthly_costs(charges)
    body = EstimateBody(
        currency=tariff.currency,
        hourly=money(hourly_cost(charges)),
        monthly=money(sum(months, Decimal(0))),
        charges=[_charge(*pair) for pair in zip(charges, months, strict=True)],
    )
    return Reply(body)


def _size(pool: NewNodePool) -> PoolSize:
    return PoolSize(pool.name, pool.instance_type, pool.node_count, pool.disk_size)


def _charge(charge: Charge, month: Decimal) -> ChargeBody:
    return ChargeBody(
        resource_type=charge.resource_type.value,
        sku=charge.sku,
        node_pool=charge.pool,
        quantity=charge.quantity,
        unit_price=money(charge.unit_price),
        hourly=money(charge.hourly),
        monthly=money(month),
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/billing:estimate",
        permission="catalogue.read",
        target=Target.ANYWHERE,
        tag=CATALOGUE,
        summary="Estimate the cost of a cluster or node pool",
        answers=EstimateBody,
        body=Either("node_pools", ClusterSpec, PoolSpec),
        judged_by=what_is_on_offer,
        safe=True,
        refuses=(NoPrice,),
        act=estimate_cost,
    ),
)
