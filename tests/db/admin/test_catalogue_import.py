"""Files taken into the catalogue, and the prices that come with them."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from cks import catalogue
from cks.catalogue import Catalogue, Wanted
from cks.db.admin import migrate, prices, tenants
from cks.db.admin.catalogue import import_file
from cks.db.admin.connection import NotDone
from cks.db.admin.prices import PriceChange, PriceLine
from cks.db.admin.tenants import NewTenant
from cks.db.billing.tariff import current_tariff
from cks.db.catalogue import offer as stored
from cks.db.connections import connect
from cks.db.models.activity import ActivityLog
from cks.db.models.catalogue import ListedPrice
from cks.db.models.tenants import PLATFORM
from cks.db.session import Database
from cks.domain.billing.prices import Tariff
from tests.conftest import Urls
from tests.support.rows import a_cluster

LATER = datetime(2090, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
async def template(urls: Urls, owner: AsyncEngine) -> str:
    name = f"t{uuid4().hex}"
    await outside(owner, f"CREATE DATABASE {name}")
    await migrate.upgrade(beside(urls.owner, name))
    return name


@pytest.fixture
async def fresh(urls: Urls, owner: AsyncEngine, template: str) -> AsyncIterator[Urls]:
    """A migrated database of the test's own: a catalogue is everybody's."""
    name = f"t{uuid4().hex}"
    await outside(owner, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield Urls(*(beside(url, name) for url in (urls.owner, urls.app, urls.dispatch)))
    await outside(owner, f"DROP DATABASE {name} WITH (FORCE)")


async def outside(owner: AsyncEngine, statement: str) -> None:
    """Run what no transaction may hold."""
    async with owner.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(sa.text(statement))


def beside(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"


async def tenant_of(fresh: Urls, currency: str = "USD") -> UUID:
    wish = NewTenant(f"acme-{uuid4()}", f"{uuid4()}@acme.test", currency=currency)
    return (await tenants.create_tenant(fresh.owner, wish)).tenant_id


async def on_offer(fresh: Urls) -> Catalogue:
    database = Database(fresh.app, 1)
    try:
        async with database.begin(uuid4()) as session:
            return await stored.read(session)
    finally:
        await database.close()


async def tariff_of(fresh: Urls, tenant: UUID) -> Tariff:
    database = Database(fresh.app, 1)
    try:
        async with database.begin(tenant) as session:
            return await current_tariff(session)
    finally:
        await database.close()


def own(name: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(catalogue.own(name))
    return said


def parsed(said: dict[str, Any]) -> Wanted:
    return catalogue.parse(json.dumps(said))


async def test_a_new_database_has_the_catalogue_of_the_projects_own_files(fresh: Urls) -> None:
    found, files = await on_offer(fresh), catalogue.load()
    assert [(m.minor, m.latest_patch) for m in found.minors] == [
        (m.minor, m.latest_patch) for m in files.minors
    ]
    assert found == files
    for name in ("kubernetes-releases", "instance-types"):
        taken = await import_file(fresh.owner, parsed(own(name)))
        assert (taken.added, taken.changed, taken.withdrawn, taken.prices) == ([], [], [], [])


async def test_a_file_adds_changes_and_withdraws(fresh: Urls) -> None:
    said = own("kubernetes-releases")
    said["minors"][0]["latest_patch"] = "1.37.2"
    del said["minors"][3]
    new = {**said["minors"][0], "minor": "1.38", "latest_patch": "1.38.0"}
    new |= {"released": "2026-12-16", "maintenance_from": None, "end_of_life": "2028-02-28"}
    said["minors"].insert(0, new)
    taken = await import_file(fresh.owner, parsed(said))
    assert (taken.added, taken.changed, taken.withdrawn) == (["1.38"], ["1.37"], ["1.34"])
    minors = {minor.minor: minor for minor in (await on_offer(fresh)).minors}
    assert minors["1.38"].released == date(2026, 12, 16)
    assert minors["1.37"].latest_patch == "1.37.2"
    assert [name for name, minor in minors.items() if minor.withdrawn] == ["1.34"]

    again = await import_file(
        fresh.owner, parsed(own("kubernetes-releases") | {"minors": said["minors"]})
    )
    assert (again.added, again.changed, again.withdrawn) == ([], [], [])


async def test_a_minor_that_comes_back_is_on_offer_again(fresh: Urls) -> None:
    said = own("kubernetes-releases")
    without = said | {"minors": said["minors"][1:]}
    assert (await import_file(fresh.owner, parsed(without))).withdrawn == ["1.37"]
    assert (await import_file(fresh.owner, parsed(said))).changed == ["1.37"]
    assert not (await on_offer(fresh)).minors[0].withdrawn


async def test_what_vanishes_while_clusters_use_it_is_told_and_stays(fresh: Urls) -> None:
    tenant, engine = await tenant_of(fresh), connect(fresh.owner, 1)
    async with AsyncSession(engine) as session, session.begin():
        session.add(a_cluster(tenant))
    await engine.dispose()
    said = own("kubernetes-releases")
    said["minors"] = [minor for minor in said["minors"] if minor["minor"] != "1.35"]
    taken = await import_file(fresh.owner, parsed(said))
    assert (taken.withdrawn, taken.in_use) == (["1.35"], {"1.35": 1})
    assert "1.35" in {minor.minor for minor in (await on_offer(fresh)).minors}


async def test_a_type_that_vanishes_is_withdrawn_and_keeps_its_price(fresh: Urls) -> None:
    tenant, said = await tenant_of(fresh), own("instance-types")
    said["instance_types"] = [t for t in said["instance_types"] if t["name"] != "m5.large"]
    taken = await import_file(fresh.owner, parsed(said))
    assert (taken.withdrawn, taken.in_use, taken.prices) == (["m5.large"], {}, [])
    types = {kind.name: kind for kind in (await on_offer(fresh)).instance_types}
    assert types["m5.large"].withdrawn
    assert (await tariff_of(fresh, tenant)).price_of("node.m5.large") == Decimal("0.096")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"minor": "1.35", "latest_patch": "1.35.7"}, "1.35.7 is older than 1.35.8"),
        ({"minor": "1.99", "latest_patch": "1.99.0", "released": "2015-01-01"}, "before 1.37"),
    ],
)
async def test_facts_that_contradict_what_is_known_are_refused_whole(
    fresh: Urls, change: dict[str, str], said: str
) -> None:
    before = await on_offer(fresh)
    entry = next(m for m in own("kubernetes-releases")["minors"] if m["minor"] == "1.35")
    with pytest.raises(NotDone, match=said):
        await import_file(fresh.owner, parsed({"minors": [entry | change]}))
    assert await on_offer(fresh) == before


async def test_two_files_at_once_come_one_after_the_other(fresh: Urls) -> None:
    said = own("instance-types")
    dearer = [
        {**said, "instance_types": [{**t, "price_per_hour": price} for t in said["instance_types"]]}
        for price in ("1.5", "2.5")
    ]
    ends = await asyncio.gather(
        *(import_file(fresh.owner, parsed(one)) for one in dearer), return_exceptions=True
    )
    refused = [end for end in ends if isinstance(end, NotDone)]
    taken = [end for end in ends if not isinstance(end, BaseException)]
    assert (len(refused), len(taken)) == (1, 1)
    assert "has a price from" in str(refused[0])
    assert len(taken[0].prices) == len(said["instance_types"])


async def lines_of(fresh: Urls, sku: str = "node.m5.large") -> list[PriceLine]:
    return [line for line in await prices.listing(fresh.owner) if line.sku == sku]


async def add(
    fresh: Urls,
    price: str,
    tenant: UUID | None = None,
    valid_from: datetime | None = None,
    **more: Any,
) -> list[PriceLine]:
    wish = PriceChange({"node.m5.large": Decimal(price)}, "USD", PLATFORM, valid_from, **more)
    return await prices.add(fresh.owner, str(tenant) if tenant else None, wish)


async def test_a_new_price_begins_where_the_one_before_ends(fresh: Urls) -> None:
    (new,) = await add(fresh, "0.2", valid_from=LATER)
    old, listed = await lines_of(fresh)
    assert listed == new
    assert old.valid_to == new.valid_from == "2090-01-01T00:00:00.000000Z"
    assert (old.unit_price, new.unit_price) == (Decimal("0.096"), Decimal("0.2"))
    assert await add(fresh, "0.2", valid_from=LATER + timedelta(days=1)) == []
    with pytest.raises(NotDone, match="has a price from 2090-01-01"):
        await add(fresh, "0.3")


async def test_a_price_begins_within_a_second_where_no_instant_is_given(fresh: Urls) -> None:
    tenant = await tenant_of(fresh)
    await add(fresh, "0.2")
    async with asyncio.timeout(5):
        while (await tariff_of(fresh, tenant)).price_of("node.m5.large") != Decimal("0.2"):
            await asyncio.sleep(0.1)


async def test_a_tenants_own_price_counts_before_everybodys_until_it_ends(fresh: Urls) -> None:
    favoured, other = await tenant_of(fresh), await tenant_of(fresh)
    await add(fresh, "0.05", favoured)
    await asyncio.sleep(1.1)
    assert (await tariff_of(fresh, favoured)).price_of("node.m5.large") == Decimal("0.05")
    assert (await tariff_of(fresh, other)).price_of("node.m5.large") == Decimal("0.096")
    wish = PriceChange({}, "USD")
    await prices.end(fresh.owner, str(favoured), "node.m5.large", wish)
    await asyncio.sleep(1.1)
    assert (await tariff_of(fresh, favoured)).price_of("node.m5.large") == Decimal("0.096")
    with pytest.raises(NotDone, match="has no price in USD to end"):
        await prices.end(fresh.owner, str(favoured), "node.m5.large", wish)


async def test_a_tenant_pays_in_its_own_currency_alone(fresh: Urls) -> None:
    tenant = await tenant_of(fresh, "EUR")
    assert await tariff_of(fresh, tenant) == Tariff("EUR", {})
    await prices.add(fresh.owner, None, PriceChange({"disk": Decimal("0.073")}, "EUR"))
    await asyncio.sleep(1.1)
    assert (await tariff_of(fresh, tenant)).hourly == {"disk": Decimal("0.0001000000")}


async def test_no_price_begins_in_the_past(fresh: Urls) -> None:
    with pytest.raises(NotDone, match="in the future"):
        await add(fresh, "0.2", valid_from=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("sku", ["node.m9.tiny", "gpu", "node."])
async def test_only_what_can_be_billed_has_a_price(fresh: Urls, sku: str) -> None:
    with pytest.raises(NotDone, match="There is no SKU"):
        await prices.add(fresh.owner, None, PriceChange({sku: Decimal(1)}, "USD"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE price_list SET unit_price = 1",
        "UPDATE price_list SET valid_to = '2026-01-01Z' WHERE valid_to IS NULL",
        "UPDATE price_list SET currency = 'EUR', valid_to = '2090-01-01Z'",
        "DELETE FROM price_list",
        "TRUNCATE price_list",
    ],
)
async def test_the_database_itself_keeps_a_price_as_it_is(fresh: Urls, statement: str) -> None:
    engine = connect(fresh.owner, 1)
    with pytest.raises(DBAPIError, match=r"never changed, only ended|refused"):
        async with engine.begin() as connection:
            await connection.execute(sa.text(statement))
    await engine.dispose()


async def test_prices_of_one_sku_never_overlap(fresh: Urls) -> None:
    engine = connect(fresh.owner, 1)
    row = sa.insert(ListedPrice).values(
        tenant_id=PLATFORM,
        sku="disk",
        resource_type="disk",
        unit="GiB-month",
        unit_price=1,
        currency="USD",
        valid_from=LATER,
    )
    with pytest.raises(DBAPIError, match="one_price_at_a_time"):
        async with engine.begin() as connection:
            await connection.execute(row)
    await engine.dispose()


async def test_what_an_operator_did_is_in_the_log(fresh: Urls) -> None:
    tenant = await tenant_of(fresh)
    await add(fresh, "0.05", tenant)
    await add(fresh, "0.2")
    await import_file(fresh.owner, parsed(own("kubernetes-releases")))
    engine = connect(fresh.owner, 1)
    async with engine.connect() as connection:
        rows = await connection.execute(sa.select(ActivityLog.tenant_id, ActivityLog.action))
        found = {tuple(row) for row in rows}
    await engine.dispose()
    assert {
        (tenant, "prices.add"),
        (PLATFORM, "prices.add"),
        (PLATFORM, "catalogue.import"),
    } <= found
