"""Imports a file into the catalogue: what is new, what has changed, what is withdrawn.

Nothing is deleted, since clusters and bills refer to it: a minor or a type that the file no longer
contains cannot be ordered, and what runs on it keeps running.  Concurrent imports are serialized,
and each is applied as a whole or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from cks.catalogue import InstanceType, Wanted
from cks.db.activity_log import log_by_hand
from cks.db.admin.connection import NotDone, as_owner
from cks.db.admin.prices import PriceChange, PriceLine, set_prices
from cks.db.catalogue import offer
from cks.db.models import catalogue as rows
from cks.db.models.clusters import Cluster, NodePool
from cks.db.models.tenants import PLATFORM
from cks.domain.clusters.versions import Minor, check_minors, numbers_of

OFFERING = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('cks catalogue', 0))")
NOW = sa.func.now()
Thing = TypeVar("Thing", Minor, InstanceType)


@dataclass(slots=True)
class Taken:
    """What a file changed.

    ``in_use``: how many clusters or pools use what was withdrawn.
    """

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    in_use: dict[str, int] = field(default_factory=dict)
    prices: list[PriceLine] = field(default_factory=list)


async def import_file(url: str, wanted: Wanted, valid_from: datetime | None = None) -> Taken:
    """Replace the catalogue with a file; its prices begin at ``valid_from``, or at once.

    Raise ``NotDone`` if it contradicts what is known already.
    """
    taken = Taken()
    async with as_owner(url) as connection:
        await connection.execute(OFFERING)
        if wanted.minors:
            await _take_minors(connection, wanted.minors, taken)
        if wanted.instance_types:
            await _take_types(connection, wanted.instance_types, taken)
        prices_asked = PriceChange(wanted.prices, wanted.currency, valid_from=valid_from)
        taken.prices = await set_prices(connection, prices_asked)
        detail = {name: value for name, value in asdict(taken).items() if value}
        detail["prices"] = [line.sku for line in taken.prices]
        await log_by_hand(connection, PLATFORM, "catalogue.import", ("tenant", PLATFORM), detail)
    return taken


async def _take_minors(connection: AsyncConnection, wanted: Sequence[Minor], taken: Taken) -> None:
    known = {minor.minor: minor for minor in await offer.read_minors(connection)}
    _check(known, wanted)
    for minor in wanted:
        before = known.get(minor.minor)
        if minor != before:
            await _put(connection, rows.KubernetesMinor, _minor_row(minor), "minor")
            await _put(connection, rows.KubernetesPatch, _patch_row(minor), "patch")
            (taken.changed if before else taken.added).append(minor.minor)
    for name in _missing(known, [minor.minor for minor in wanted]):
        one = rows.KubernetesMinor
        await connection.execute(sa.update(one).where(one.minor == name).values(withdrawn_at=NOW))
        running = Cluster.version.startswith(f"{name}.", autoescape=True)
        await _note_withdrawn(connection, name, sa.select(Cluster.id).where(running), taken)


def _check(known: Mapping[str, Minor], wanted: Sequence[Minor]) -> None:
    """Raise ``NotDone`` for a file that contradicts what stays in the catalogue."""
    together = {**known, **{minor.minor: minor for minor in wanted}}
    wrong = check_minors(list(together.values()))
    for minor in wanted:
        newest = known[minor.minor].latest_patch if minor.minor in known else minor.latest_patch
        if numbers_of(minor.latest_patch) < numbers_of(newest):
            wrong.append(f"{minor.latest_patch} is older than {newest}, the latest known")
    if wrong:
        raise NotDone(f"The file does not fit the catalogue: {'; '.join(wrong)}.")


def _minor_row(minor: Minor) -> dict[str, object]:
    return {
        "minor": minor.minor,
        "released": minor.released,
        "maintenance_from": minor.maintenance_from,
        "end_of_life": minor.end_of_life,
        "dates_estimated": minor.dates_estimated,
        "withdrawn_at": None,
    }


def _patch_row(minor: Minor) -> dict[str, object]:
    return {
        "patch": minor.latest_patch,
        "minor": minor.minor,
        "released": minor.latest_patch_released,
    }


async def _take_types(
    connection: AsyncConnection, wanted: Sequence[InstanceType], taken: Taken
) -> None:
    known = {kind.name: kind for kind in await offer.read_types(connection)}
    for position, kind in enumerate(wanted):
        row = {
            "name": kind.name,
            "position": position,
            "vcpus": kind.vcpus,
            "memory_gib": kind.memory_gib,
            "architecture": kind.architecture,
            "withdrawn_at": None,
        }
        await _put(connection, rows.InstanceType, row, "name")
        before = known.get(kind.name)
        if kind != before:
            (taken.changed if before else taken.added).append(kind.name)
    for name in _missing(known, [kind.name for kind in wanted]):
        one = rows.InstanceType
        await connection.execute(sa.update(one).where(one.name == name).values(withdrawn_at=NOW))
        using = sa.select(NodePool.id).where(NodePool.instance_type == name)
        await _note_withdrawn(connection, name, using, taken)


def _missing(known: Mapping[str, Thing], named: Sequence[str]) -> list[str]:
    return [name for name, one in known.items() if name not in named and not one.withdrawn]


async def _note_withdrawn(
    connection: AsyncConnection, name: str, users: sa.Select[Any], taken: Taken
) -> None:
    taken.withdrawn.append(name)
    count = await connection.scalar(sa.select(sa.func.count()).select_from(users.subquery()))
    if count:
        taken.in_use[name] = count


async def _put(
    connection: AsyncConnection, table: type[Any], row: Mapping[str, object], key: str
) -> None:
    """Insert or update a row of the platform tenant."""
    write = insert(table).values(tenant_id=PLATFORM, **row)
    changed = {name: write.excluded[name] for name in row if name != key}
    await connection.execute(
        write.on_conflict_do_update(index_elements=["tenant_id", key], set_=changed)
    )
