"""What can be ordered, as every tenant reads it."""

from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from cks.catalogue import Catalogue, InstanceType
from cks.db.models import catalogue as rows
from cks.db.models.tenants import PLATFORM
from cks.domain.clusters.versions import Minor, numbers_of


async def read(session: AsyncSession | AsyncConnection) -> Catalogue:
    """Return the catalogue: the newest minor first, types in the order of their file."""
    return Catalogue(await read_minors(session), await read_types(session))


async def read_minors(session: AsyncSession | AsyncConnection) -> tuple[Minor, ...]:
    """Return every minor with its newest patch, the newest first."""
    one, patches = rows.KubernetesMinor, defaultdict[str, list[sa.Row[Any]]](list)
    every = sa.select(rows.KubernetesPatch.__table__)
    for row in await session.execute(every.where(rows.KubernetesPatch.tenant_id == PLATFORM)):
        patches[row.minor].append(row)
    minors = []
    for row in await session.execute(sa.select(one.__table__).where(one.tenant_id == PLATFORM)):
        newest = max(patches[row.minor], key=lambda patch: numbers_of(patch.patch))
        minors.append(
            Minor(
                minor=row.minor,
                released=row.released,
                maintenance_from=row.maintenance_from,
                end_of_life=row.end_of_life,
                latest_patch=newest.patch,
                latest_patch_released=newest.released,
                dates_estimated=row.dates_estimated,
                withdrawn=row.withdrawn_at is not None,
            )
        )
    return tuple(sorted(minors, key=lambda minor: minor.order, reverse=True))


async def read_types(session: AsyncSession | AsyncConnection) -> tuple[InstanceType, ...]:
    """Return every instance type."""
    one = rows.InstanceType
    query = sa.select(one.__table__).where(one.tenant_id == PLATFORM)
    return tuple(
        InstanceType(
            row.name, row.vcpus, row.memory_gib, row.architecture, row.withdrawn_at is not None
        )
        for row in await session.execute(query.order_by(one.position, one.name))
    )
