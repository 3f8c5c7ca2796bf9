"""What production-like use must be: no secret in a file, nobody root, everybody looked after."""

import re
from typing import Any

import pytest

from tests.support import compose
from tests.support.compose import ROOT, Missing

SECRETS = dict.fromkeys(compose.wanted(), "s3cret")
SERVICES: dict[str, dict[str, Any]] = compose.read(SECRETS)["services"]
OURS = {name: one for name, one in SERVICES.items() if "build" in one}
ONCE = {"migrate", "namespace", "temporal-schema"}
UNTOLD = {"CKS_SIMULATOR_DATA", "CKS_SIMULATOR_HOST"}
"""Settings of the simulated cloud, which docs/providers.md tells of."""


def test_everything_of_production_is_there() -> None:
    servers = {"postgres", "temporal", "temporal-ui", "simulator", "api", "worker"}
    assert set(SERVICES) == servers | ONCE
    assert set(OURS) == {"simulator", "api", "worker", "migrate", "namespace"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_each_server_is_looked_after_and_each_job_ends(name: str) -> None:
    service = SERVICES[name]
    if name in ONCE:
        assert service["restart"].startswith("on-failure")
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    for before, how in service.get("depends_on", {}).items():
        done = "service_completed_successfully" if before in ONCE else "service_healthy"
        assert how == {"condition": done}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_pinned_and_ports_are_this_machines(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[\w/-]+:(\d+(\.\d+)+|local)", service["image"])
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


@pytest.mark.parametrize("name", sorted(OURS))
def test_ours_can_do_no_more_than_they_must(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_image_is_nobodys_root_and_has_no_dependency_without_a_hash() -> None:
    lines = compose.lines_of_image()
    (user,) = (line for line in lines if line.startswith("USER "))
    assert re.fullmatch(r"USER [1-9]\d+:[1-9]\d+", user)
    bases = {line.split()[1] for line in lines if line.startswith("FROM ")}
    assert len(bases) == 1
    installs = [part for line in lines for part in line.split("&&") if " install " in part]
    hashed = [
        "--require-hashes" in part or "--no-deps" in part for part in installs if "pip" in part
    ]
    assert hashed == [True] * 3


def test_every_secret_must_be_set_and_none_is_written_down() -> None:
    for name in SECRETS:
        with pytest.raises(Missing, match=name):
            compose.read({other: "x" for other in SECRETS if other != name})
    text = compose.FILE.read_text(encoding="utf-8")
    assert re.findall(r"PASS\w*: (?!\$\{)", text) == []
    assert re.findall(r"://\w+:(?!\$\{|\d)", text) == []
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^(\w+)=$", example, re.MULTILINE)) == {*SECRETS, "CKS_BUILD_ID"}


def test_every_setting_that_is_given_is_one() -> None:
    told = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    given = {name for one in OURS.values() for name in one.get("environment", {})}
    assert [name for name in sorted(given - UNTOLD) if f"`{name}`" not in told] == []


def test_the_store_of_temporal_has_room_for_years() -> None:
    assert SERVICES["temporal"]["environment"]["NUM_HISTORY_SHARDS"] == "512"
