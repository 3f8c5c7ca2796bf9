from ipaddress import IPv4Network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cks.domain.clusters.clusters import (
    DEFAULT_POD_CIDR,
    DEFAULT_SERVICE_CIDR,
    NARROWEST,
    WIDEST,
    check_networking,
)
from cks.domain.clusters.pools import MAX_NODES_PER_CLUSTER, check_pool_size, check_pools
from cks.domain.refusals import Fault

PODS, SERVICES = "/pod_cidr", "/service_cidr"
ELSEWHERE = "192.168.0.0/24"


def places(faults: list[Fault]) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in faults]


@st.composite
def networks(draw: st.DrawFn, narrowest: int = NARROWEST, widest: int = WIDEST) -> IPv4Network:
    address = draw(st.integers(0, 2**32 - 1))
    return IPv4Network((address, draw(st.integers(widest, narrowest))), strict=False)


def test_the_ranges_that_we_choose_are_acceptable() -> None:
    assert check_networking(DEFAULT_POD_CIDR, DEFAULT_SERVICE_CIDR) == []


@given(networks(), networks())
def test_two_good_ranges_are_refused_only_where_they_overlap(
    pods: IPv4Network, services: IPv4Network
) -> None:
    faults = places(check_networking(str(pods), str(services)))
    assert faults == ([(SERVICES, "overlapping_cidr")] if pods.overlaps(services) else [])


@given(networks())
def test_a_range_within_another_overlaps_it(outer: IPv4Network) -> None:
    inner = next(outer.subnets(new_prefix=NARROWEST))
    assert places(check_networking(str(outer), str(inner))) == [(SERVICES, "overlapping_cidr")]


@given(networks(narrowest=32, widest=0))
def test_a_range_too_wide_or_too_narrow_is_refused(network: IPv4Network) -> None:
    assume(not network.overlaps(IPv4Network(ELSEWHERE)))
    fits = WIDEST <= network.prefixlen <= NARROWEST
    faults = places(check_networking(str(network), ELSEWHERE))
    assert faults == ([] if fits else [(PODS, "invalid_cidr")])


@given(networks(), st.integers(1, 255))
def test_a_range_with_host_bits_is_refused(network: IPv4Network, host: int) -> None:
    assume(not network.overlaps(IPv4Network(ELSEWHERE)))
    text = f"{network.network_address + host}/{network.prefixlen}"
    assert places(check_networking(text, ELSEWHERE)) == [(PODS, "invalid_cidr")]


@given(st.text())
def test_any_text_is_judged_and_none_crashes(text: str) -> None:
    assert {code for _, code in places(check_networking(text, text))} <= {
        "invalid_cidr",
        "overlapping_cidr",
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.0",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.256/16",
        "010.0.0.0/16",
        "10.0.0.0/016",
        "10.0.0.0/255.255.0.0",
        "10.0.0.0/0.0.255.255",
        " 10.0.0.0/16",
        "10.0.0.0/16\n",
        "10.0.0.0/1६",
        "fd00::/16",
        "10.0.0.0/16/16",
        "10/16",
    ],
)
def test_only_the_plain_form_of_a_range_is_taken(text: str) -> None:
    assert places(check_networking(text, ELSEWHERE)) == [(PODS, "invalid_cidr")]


def test_both_ranges_are_named_where_both_are_wrong() -> None:
    assert places(check_networking("x", "y")) == [
        (PODS, "invalid_cidr"),
        (SERVICES, "invalid_cidr"),
    ]


def test_pools_within_their_bounds_are_acceptable() -> None:
    assert check_pools([("a", 1), ("b", 0), ("c", 5)]) == []


@given(st.integers(-5, 20), st.integers(-5, 20), st.integers(-5, 20))
def test_a_pools_size_lies_between_its_bounds(count: int, least: int, most: int) -> None:
    faults = places(check_pool_size("/x", count, least, most))
    if least > most:
        assert faults == [("/x/max_nodes", "out_of_range")]
    else:
        outside = count < least or count > most
        assert faults == ([("/x/node_count", "out_of_range")] if outside else [])


@given(st.lists(st.sampled_from("abcd"), max_size=8))
def test_every_pool_whose_name_came_before_is_named(names: list[str]) -> None:
    faults = places(check_pools([(name, 1) for name in names]))
    again = [place for place, name in enumerate(names) if name in names[:place]]
    assert faults == [(f"/{place}/name", "duplicate_name") for place in again]


@given(st.lists(st.integers(0, 3_000), max_size=5))
def test_all_pools_together_stay_below_kubernetes_limit(counts: list[int]) -> None:
    pools = [(str(place), count) for place, count in enumerate(counts)]
    too_many = sum(counts) > MAX_NODES_PER_CLUSTER
    assert places(check_pools(pools)) == ([("", "too_many_nodes")] if too_many else [])


def test_everything_wrong_with_the_pools_is_told_at_once() -> None:
    assert places(check_pools([("a", 9), ("a", 1), ("b", 6_000)])) == [
        ("/1/name", "duplicate_name"),
        ("", "too_many_nodes"),
    ]
