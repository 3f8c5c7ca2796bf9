"""``/v1/versions`` and ``/v1/instance-types``: what can be ordered, until when, for how much."""

from datetime import date
from typing import Literal

from api.billing.bodies import CostBody
from api.http.endpoint import Call, Endpoint, Reply
from api.http.validation import Query, ResponseBody
from api.tags import CATALOGUE
from cks.catalogue import InstanceType
from cks.db.access.decisions import Target
from cks.db.billing.tariff import current_tariff
from cks.domain.billing.prices import CONTROL_PLANE, DISK, Tariff, money, node_sku
from cks.domain.clusters.versions import Minor, choices, is_orderable, support_of


class VersionBody(ResponseBody):
    """A Kubernetes minor version."""

    minor: str
    latest_patch: str
    latest_patch_released: date | None
    support: Literal["preview", "supported", "deprecated", "extended", "expired"]
    orderable: bool
    default: bool
    """Whether new clusters get this version by default."""
    released: date
    maintenance_from: date | None
    end_of_life: date
    """The last day of upstream support."""
    extended_until: date
    """The last day of our extended support, one year later."""
    dates_estimated: bool
    """Whether the upstream dates are still provisional."""


class InstanceTypeBody(ResponseBody):
    """An instance type."""

    name: str
    vcpus: int
    memory_gib: int
    architecture: str
    orderable: bool
    """False if it has been withdrawn; existing nodes keep running."""
    price: CostBody | None
    """The price of a node without its disk; null if there is none in the tenant's currency."""


class VersionPage(ResponseBody):
    results: list[VersionBody]
    control_plane_price: CostBody | None
    """The price of a control plane, for any version."""
    next_page_token: str | None = None


class InstanceTypePage(ResponseBody):
    results: list[InstanceTypeBody]
    disk_price: CostBody | None
    """The price of a node's disk per GiB."""
    next_page_token: str | None = None


async def list_versions(call: Call[None, Query]) -> Reply:
    minors = (await call.context.offers.current(call.session)).minors
    default = next(iter(choices(minors, call.at)), None)

    def body(minor: Minor) -> VersionBody:
        return VersionBody(
            minor=minor.minor,
            latest_patch=minor.latest_patch,
            latest_patch_released=minor.latest_patch_released,
            support=support_of(minor, call.at).value,
            orderable=is_orderable(minor, call.at),
            default=minor is default,
            released=minor.released,
            maintenance_from=minor.maintenance_from,
            end_of_life=minor.end_of_life,
            extended_until=minor.extended_until,
            dates_estimated=minor.dates_estimated,
        )

    plane = _price(await current_tariff(call.session), CONTROL_PLANE.name)
    return Reply(VersionPage(results=[body(minor) for minor in minors], control_plane_price=plane))


async def list_instance_types(call: Call[None, Query]) -> Reply:
    kinds = (await call.context.offers.current(call.session)).instance_types
    tariff = await current_tariff(call.session)

    def body(kind: InstanceType) -> InstanceTypeBody:
        return InstanceTypeBody(
            name=kind.name,
            vcpus=kind.vcpus,
            memory_gib=kind.memory_gib,
            architecture=kind.architecture,
            orderable=not kind.withdrawn,
            price=_price(tariff, node_sku(kind.name)),
        )

    disk = _price(tariff, DISK.name)
    return Reply(InstanceTypePage(results=[body(kind) for kind in kinds], disk_price=disk))


def _price(tariff: Tariff, sku: str) -> CostBody | None:
    price = tariff.hourly.get(sku)
    return None if price is None else CostBody(hourly=money(price), currency=tariff.currency)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/versions",
        permission="catalogue.read",
        target=Target.ANYWHERE,
        tag=CATALOGUE,
        summary="List Kubernetes versions",
        answers=VersionPage,
        act=list_versions,
    ),
    Endpoint(
        method="GET",
        path="/v1/instance-types",
        permission="catalogue.read",
        target=Target.ANYWHERE,
        tag=CATALOGUE,
        summary="List instance types",
        answers=InstanceTypePage,
        act=list_instance_types,
    ),
)
