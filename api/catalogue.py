"""``/v1/versions`` and ``/v1/instance-types``: what can be ordered."""

from datetime import UTC, datetime

from api.bodies import InstanceTypeBody, InstanceTypePage, VersionBody, VersionPage
from api.endpoint import Call, Endpoint, Reply
from api.reading import Query
from cks.domain.versions import EXTENDED_SUPPORT, ORDERABLE, Minor, choices, support_of


async def list_versions(call: Call[None, Query]) -> Reply:
    today = datetime.now(UTC).date()
    minors = call.around.catalogue.minors
    default = choices(minors, today)[0]

    def body(minor: Minor) -> VersionBody:
        support = support_of(minor, today)
        return VersionBody(
            minor=minor.minor,
            latest_patch=minor.latest_patch,
            support=support.value,
            orderable=support in ORDERABLE,
            default=minor is default,
            released=minor.released,
            maintenance_from=minor.maintenance_from,
            end_of_life=minor.end_of_life,
            extended_until=minor.end_of_life + EXTENDED_SUPPORT,
        )

    return Reply(VersionPage(results=[body(minor) for minor in minors]))


async def list_instance_types(call: Call[None, Query]) -> Reply:
    results = [
        InstanceTypeBody(
            name=kind.name,
            vcpus=kind.vcpus,
            memory_gib=kind.memory_gib,
            architecture=kind.architecture,
        )
        for kind in call.around.catalogue.instance_types
    ]
    return Reply(InstanceTypePage(results=results))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/versions",
        permission="catalogue.read",
        summary="List the Kubernetes versions on offer",
        answers=VersionPage,
        act=list_versions,
    ),
    Endpoint(
        method="GET",
        path="/v1/instance-types",
        permission="catalogue.read",
        summary="List the kinds of machines on offer",
        answers=InstanceTypePage,
        act=list_instance_types,
    ),
)
