import re
from datetime import date

from cks import catalogue
from cks.catalogue import InstanceType
from cks.domain.versions import Minor, choices, resolve

MINORS = catalogue.load().minors
TYPES = catalogue.load().instance_types
TODAY = date(2026, 8, 1)


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
