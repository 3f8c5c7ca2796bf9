import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from cks import catalogue
from cks.catalogue import BadCatalogue, InstanceType
from cks.domain.clusters.versions import Minor, choices, resolve

MINORS = catalogue.load().minors
TYPES = catalogue.load().instance_types


def minor(**changes: object) -> str:
    entry = {
        "minor": "1.35",
        "released": "2025-12-17",
        "maintenance_from": "2026-12-28",
        "end_of_life": "2027-02-28",
        "latest_patch": "1.35.8",
    }
    return json.dumps({"minors": [entry | changes]})


def kind(**changes: object) -> str:
    entry = {"name": "a1", "vcpus": 2, "memory_gib": 8, "architecture": "arm64"}
    return json.dumps({"instance_types": [entry | changes]})


TODAY = datetime(2026, 8, 1, tzinfo=UTC)


def test_the_files_are_read_once() -> None:
    assert catalogue.load() is catalogue.load()


def test_each_minor_is_named_once_newest_first_with_a_patch_of_its_own() -> None:
    orders = [minor.order for minor in MINORS]
    assert orders == sorted(set(orders), reverse=True)
    for minor in MINORS:
        assert re.fullmatch(rf"{re.escape(minor.minor)}\.\d+", minor.latest_patch)


def test_each_minors_dates_follow_one_another() -> None:
    def dates(minor: Minor) -> list[date]:
        known = [minor.released, minor.maintenance_from, minor.end_of_life]
        return [day for day in known if day]

    assert all(dates(minor) == sorted(dates(minor)) for minor in MINORS)


def test_there_is_a_choice_and_every_choice_resolves_to_its_newest_patch() -> None:
    offered = choices(MINORS, TODAY)
    assert len(offered) >= 3
    for minor in offered:
        assert resolve(MINORS, minor.minor, TODAY) == minor.latest_patch


def test_an_instance_type_is_named_once_and_has_a_size() -> None:
    assert len({kind.name for kind in TYPES}) == len(TYPES)
    assert InstanceType("m5.large", 2, 8, "amd64") in TYPES
    assert all(kind.vcpus > 0 and kind.memory_gib > 0 for kind in TYPES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "the file: Invalid JSON"),
        (b"\xff", "the file: Invalid JSON"),
        ("[]", "the file: "),
        ('{"colour": "red"}', "colour: "),
        ('{"minors": []}', "minors: "),
        (minor(released="2026-02-30"), "minors/0/released: "),
        (minor(released=20260101), "minors/0/released: "),
        (minor(released="2027-01-01"), "the dates of 1.35 are not in order"),
        (minor(minor="1.35.8"), "minors/0/minor: must be a minor version such as 1.35"),
        (minor(latest_patch="1.34.9"), "1.34.9 is not a patch of 1.35"),
        (kind(vcpus=0), "instance_types/0/vcpus: "),
        (kind(price_per_hour="-0.1"), "must be a price as a string"),
        (kind(price_per_hour=0.1), "instance_types/0/price_per_hour: "),
        (kind(price_per_hour="NaN"), "must be a price as a string"),
        (kind(name="M5 large"), "must consist of lowercase letters"),
        (kind(architecture="pdp11"), "instance_types/0/architecture: "),
        (json.dumps({"currency": "euro"}), "currency: must be an ISO 4217 code such as EUR"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_the_place(
    text: str | bytes, said: str
) -> None:
    with pytest.raises(BadCatalogue, match=re.escape(said)):
        catalogue.parse(text)


def test_a_type_that_is_there_twice_is_named() -> None:
    twice = json.loads(kind())
    twice["instance_types"] *= 2
    with pytest.raises(BadCatalogue, match="a1 appears twice"):
        catalogue.parse(json.dumps(twice))


def test_all_that_is_wrong_is_told_at_once() -> None:
    both = {**json.loads(minor(minor="x")), **json.loads(kind(vcpus=0))}
    with pytest.raises(BadCatalogue, match=r"minors/0/minor: .*; instance_types/0/vcpus: "):
        catalogue.parse(json.dumps(both))


def test_a_file_has_what_it_says_and_prices_exactly() -> None:
    wanted = catalogue.parse(kind(price_per_hour="0.1000000001"))
    assert wanted.minors is None
    assert wanted.instance_types == (InstanceType("a1", 2, 8, "arm64"),)
    assert wanted.prices == {"node.a1": Decimal("0.1000000001")}
    assert catalogue.parse("{}").prices == {}
