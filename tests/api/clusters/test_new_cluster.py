"""What may be ordered: every wrong field is named, all of them at once."""

import json
from typing import Any

import pytest

from tests.api.conftest import admin_of_another
from tests.conftest import Urls
from tests.support.client import CLUSTERS, Client, order, pool

POOL = "/node_pools/0"


@pytest.fixture(scope="module")
async def client(stranger: Client, urls: Urls) -> Client:
    """One tenant for all: little is accepted here."""
    return await admin_of_another(stranger, urls)


async def faults(client: Client, **changes: Any) -> dict[str, str]:
    answer = await client.post(CLUSTERS, order(**changes))
    assert (answer.status, answer.code) == (422, "invalid"), answer.body
    return answer.faults


@pytest.mark.parametrize("wrong", [False, True, "3", None, 2.5, [], {}])
@pytest.mark.parametrize("field", ["node_count", "min_nodes", "max_nodes", "disk_size"])
async def test_only_an_integer_is_an_integer(client: Client, field: str, wrong: object) -> None:
    told = await faults(client, node_pools=[pool() | {field: wrong}])
    assert told == {f"{POOL}/{field}": "wrong_type"}


async def test_a_number_beyond_all_bounds_is_no_integer(client: Client) -> None:
    raw = json.dumps(order()).replace('"node_count": 2', '"node_count": 1e999').encode()
    assert (await client.post(CLUSTERS, raw)).faults == {f"{POOL}/node_count": "wrong_type"}


async def test_an_integer_may_be_written_with_a_point(client: Client) -> None:
    operation = await client.order(node_pools=[pool(node_count=3.0, disk_size=16.0)])
    pools = (await client.get(f"{CLUSTERS}/{operation['resource_id']}/node-pools")).body["results"]
    assert (pools[0]["node_count"], pools[0]["disk_size"]) == (3, 16)


@pytest.mark.parametrize("count", [0, -1, 10_000, 10**30])
async def test_no_pool_has_no_nodes_or_ten_thousand(client: Client, count: int) -> None:
    told = await faults(client, node_pools=[pool(node_count=count)])
    assert told == {f"{POOL}/node_count": "out_of_range"}


async def test_a_cluster_has_at_most_five_thousand_nodes(client: Client) -> None:
    pools = [pool(f"p{n}", node_count=1_000, max_nodes=1_000) for n in range(6)]
    assert await faults(client, node_pools=pools) == {"/node_pools": "too_many_nodes"}


@pytest.mark.parametrize(
    ("size", "pointer"),
    [({"min_nodes": 3, "max_nodes": 2}, "max_nodes"), ({"node_count": 9}, "node_count")],
)
async def test_a_pools_count_lies_between_its_bounds(
    client: Client, size: dict[str, int], pointer: str
) -> None:
    told = await faults(client, node_pools=[pool() | size])
    assert told == {f"{POOL}/{pointer}": "out_of_range"}


@pytest.mark.parametrize("pools", [[], [pool(f"p{n}") for n in range(21)]])
async def test_a_cluster_has_one_pool_at_least_and_twenty_at_most(
    client: Client, pools: list[object]
) -> None:
    assert await faults(client, node_pools=pools) == {"/node_pools": "bad_length"}


async def test_two_pools_of_a_cluster_have_two_names(client: Client) -> None:
    told = await faults(client, node_pools=[pool("a"), pool("b"), pool("a")])
    assert told == {"/node_pools/2/name": "duplicate_name"}


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a.b", "a b", "é", "a\n", "\uff41"])
async def test_names_that_kubernetes_would_refuse_are_refused(client: Client, name: str) -> None:
    wrong = order(name=name, node_pools=[pool(name)])
    told = (await client.post(CLUSTERS, wrong)).faults
    assert told == {"/name": "bad_format", f"{POOL}/name": "bad_format"}


async def test_a_name_has_at_most_63_letters(client: Client) -> None:
    assert await faults(client, name="a" * 64) == {"/name": "bad_length"}
    assert (await client.order(name="a" * 63))["resource_name"] == "a" * 63


@pytest.mark.parametrize("key", ["", "a/", "/a", "a..b/c", "A.b/c", "a/b/c", "-a", "k" * 64])
async def test_labels_that_kubernetes_would_refuse_are_refused(client: Client, key: str) -> None:
    told = await faults(client, node_pools=[pool(labels={key: "v"})])
    assert set(told.values()) == {"bad_format"}


@pytest.mark.parametrize("key", ["k" * 63, "example.com/A_b.c", "a-1.b/c", "7"])
async def test_labels_that_kubernetes_takes_are_taken(client: Client, key: str) -> None:
    assert (await client.order(node_pools=[pool(labels={key: ""})]))["status"] == "pending"


@pytest.mark.parametrize(
    "cidr", ["", "10.0.0.0", "10.0.0.1/16", "10.0.0.0/33", "10.0.0.0/25", "0.0.0.0/0", "::/64", "x"]
)
async def test_address_ranges_are_ipv4_blocks_without_host_bits(client: Client, cidr: str) -> None:
    told = await faults(client, networking={"pod_cidr": cidr})
    assert told == {"/networking/pod_cidr": "invalid_cidr"}


@pytest.mark.parametrize("services", ["10.244.0.0/16", "10.244.128.0/20", "10.0.0.0/8"])
async def test_the_two_address_ranges_lie_apart(client: Client, services: str) -> None:
    told = await faults(client, networking={"service_cidr": services})
    assert told == {"/networking/service_cidr": "overlapping_cidr"}


@pytest.mark.parametrize(
    ("version", "code"),
    [("9.99", "unknown_version"), ("1.35.999", "unknown_version"), ("1.18", "version_not_offered")],
)
async def test_another_version_is_refused_and_the_choices_are_named(
    client: Client, version: str, code: str
) -> None:
    answer = await client.post(CLUSTERS, order(version=version))
    assert answer.faults == {"/version": code}
    offered = (await client.get("/v1/versions")).body["results"]
    for minor in (v["minor"] for v in offered if v["orderable"]):
        assert minor in answer.body["errors"][0]["detail"]


async def test_another_type_is_refused_and_the_choices_are_named(client: Client) -> None:
    answer = await client.post(CLUSTERS, order(node_pools=[pool(instance_type="abacus")]))
    assert answer.faults == {f"{POOL}/instance_type": "unknown_instance_type"}
    for kind in (await client.get("/v1/instance-types")).body["results"]:
        assert kind["name"] in answer.body["errors"][0]["detail"]


async def test_an_unknown_field_is_refused_where_it_stands(client: Client) -> None:
    taint = {"key": "a", "effect": "NoSchedule", "x/~y": 1}
    told = await faults(client, colour="red", node_pools=[pool(taints=[taint], size=1)])
    assert told == dict.fromkeys(
        ("/colour", f"{POOL}/taints/0/x~1~0y", f"{POOL}/size"), "unknown_field"
    )


async def test_all_wrong_fields_are_named_at_once(client: Client) -> None:
    wrong = {
        "name": "No_Label",
        "colour": "red",
        "version": 3,
        "networking": {"pod_cidr": 10},
        "tags": {"ok": 1, "bad key": "x"},
        "node_pools": [
            {"name": "a", "node_count": "2", "min_nodes": 1, "disk_size": 1, "labels": {"k!": "v"}},
            pool(taints=[{"key": "a", "effect": "Never"}]),
        ],
    }
    assert (await client.post(CLUSTERS, wrong)).faults == {
        "/name": "bad_format",
        "/colour": "unknown_field",
        "/version": "wrong_type",
        "/networking/pod_cidr": "wrong_type",
        "/tags/ok": "wrong_type",
        "/tags/bad key": "bad_format",
        f"{POOL}/node_count": "wrong_type",
        f"{POOL}/max_nodes": "required",
        f"{POOL}/instance_type": "required",
        f"{POOL}/disk_size": "out_of_range",
        f"{POOL}/labels/k!": "bad_format",
        "/node_pools/1/taints/0/effect": "unknown_value",
    }


async def test_what_only_the_rules_know_is_named_at_once_too(client: Client) -> None:
    told = await faults(
        client,
        version="9.99",
        networking={"pod_cidr": "x", "service_cidr": "10.0.0.1/8"},
        node_pools=[pool(instance_type="abacus", node_count=9), pool()],
    )
    assert told == {
        "/version": "unknown_version",
        "/networking/pod_cidr": "invalid_cidr",
        "/networking/service_cidr": "invalid_cidr",
        f"{POOL}/instance_type": "unknown_instance_type",
        f"{POOL}/node_count": "out_of_range",
        "/node_pools/1/name": "duplicate_name",
    }


LATER: dict[str, dict[str, Any]] = {
    "/maintenance_window": {"maintenance_window": {}},
    "/deletion_protection": {"deletion_protection": True},
    "/on_failure": {"on_failure": "hold"},
    f"{POOL}/autoscaling": {"node_pools": [pool(autoscaling=True)]},
    f"{POOL}/max_surge": {"node_pools": [pool(max_surge=1)]},
    f"{POOL}/max_unavailable": {"node_pools": [pool(max_unavailable=1)]},
    f"{POOL}/drain_timeout_seconds": {"node_pools": [pool(drain_timeout_seconds=1)]},
    f"{POOL}/on_drain_timeout": {"node_pools": [pool(on_drain_timeout="fail")]},
}


@pytest.mark.parametrize("pointer", LATER)
async def test_a_field_for_later_is_refused_as_such(client: Client, pointer: str) -> None:
    answer = await client.post(CLUSTERS, order(**LATER[pointer]))
    assert (answer.status, answer.code) == (422, "not_available_yet")
    assert answer.faults == {pointer: "not_available_yet"}


@pytest.mark.parametrize(
    "said", ["validate_only=true", "on_conflict=queue", "on_conflict=supersede"]
)
async def test_a_parameter_for_later_is_refused_as_such(client: Client, said: str) -> None:
    answer = await client.post(f"{CLUSTERS}?{said}", order())
    assert (answer.status, answer.code) == (422, "not_available_yet")
    assert answer.faults == {f"?{said.partition('=')[0]}": "not_available_yet"}
    gone = await client.call("DELETE", f"{CLUSTERS}/name:x?{said}")
    assert (gone.status, gone.code) == (422, "not_available_yet")


async def test_a_forced_delete_is_for_later(client: Client) -> None:
    answer = await client.call("DELETE", f"{CLUSTERS}/name:x?force=true")
    assert (answer.status, answer.code) == (422, "not_available_yet")


async def test_a_plan_is_for_later(client: Client) -> None:
    plan = {"If-Plan": '"digest"'}
    await client.order(name="planned")
    for answer in (
        await client.post(CLUSTERS, order(), plan),
        await client.call("DELETE", f"{CLUSTERS}/name:planned", headers=plan),
    ):
        assert (answer.status, answer.code) == (422, "not_available_yet")
        assert answer.faults == {"If-Plan": "not_available_yet"}


@pytest.mark.parametrize(
    "same", [{"on_failure": "rollback"}, {"deletion_protection": False}, {"tags": {}}]
)
async def test_a_default_may_be_said(client: Client, same: dict[str, Any]) -> None:
    path = f"{CLUSTERS}?validate_only=false&on_conflict=reject"
    assert (await client.post(path, order(**same))).status == 202


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("?on_conflict=fight", {"?on_conflict": "unknown_value"}),
        ("?validate_only=maybe", {"?validate_only": "unknown_value"}),
        ("?colour=red", {"?colour": "unknown_field"}),
    ],
)
async def test_a_parameter_that_is_nowhere_is_refused(
    client: Client, path: str, told: dict[str, str]
) -> None:
    answer = await client.post(CLUSTERS + path, order())
    assert (answer.status, answer.code, answer.faults) == (422, "invalid", told)


async def test_a_way_to_fail_that_is_nowhere_is_an_unknown_value(client: Client) -> None:
    assert await faults(client, on_failure="explode") == {"/on_failure": "unknown_value"}


async def test_a_dry_run_said_to_be_one_and_to_be_none_creates_nothing(client: Client) -> None:
    wish = order()
    said = "validate_only=false&validate_only=true"
    answer = await client.post(f"{CLUSTERS}?{said}", wish)
    assert answer.faults == {"?validate_only": "repeated_parameter"}
    assert (await client.get(f"{CLUSTERS}/name:{wish['name']}")).status == 404
