import os
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from cks.dev import summary, surroundings
from cks.dev.surroundings import Trouble


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("CKS_", "TEMPORAL_")):
            monkeypatch.delenv(name)


async def test_all_taken_ports_are_named_at_once_with_their_variables() -> None:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in "ab"]
        first, second = (listener.getsockname()[1] for listener in listeners)
        named = rf"port {first} \(CKS_API_PORT\), {second} \(CKS_OPS_PORT\)\."
        with pytest.raises(Trouble, match=named):
            await surroundings.check_ports({"CKS_API_PORT": first, "CKS_OPS_PORT": second})


async def test_two_servers_on_one_port_are_refused() -> None:
    with pytest.raises(Trouble, match="CKS_API_PORT and CKS_OPS_PORT are both 18080"):
        await surroundings.check_ports({"CKS_API_PORT": 18080, "CKS_OPS_PORT": 18080})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CKS_API_PORT", "http"),
        ("CKS_TEMPORAL_UI_PORT", "70000"),
        ("CKS_PROVIDER_SPEED", "fast"),
        ("CKS_SIMULATOR_SPEED", "0"),
        ("CKS_SIMULATOR_CAPACITY", "much"),
        ("CKS_SIMULATOR_QUOTA_NODES", "-1"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_by_name_in_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(Trouble) as refused:
        surroundings.read()
    assert str(refused.value).startswith(f"{variable}={value}: ")
    assert "\n" not in str(refused.value)


def test_an_empty_variable_chooses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CKS_API_PORT", "CKS_PROVIDER_SPEED", "TEMPORAL_NAMESPACE"):
        monkeypatch.setenv(name, "")
    surroundings.forget_empty()
    assert surroundings.read().api_port == 8080
    assert surroundings.read().temporal_namespace == "cks"


def test_the_ports_of_a_given_server_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = surroundings.read().ports()
    assert {"CKS_POSTGRES_PORT", "CKS_TEMPORAL_PORT", "CKS_TEMPORAL_UI_PORT"} <= ours.keys()
    monkeypatch.setenv("CKS_DATABASE_URL", "postgresql://elsewhere/cks")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "elsewhere:7233")
    assert surroundings.read().ports().keys() == {
        "CKS_API_PORT",
        "CKS_OPS_PORT",
        "CKS_SIMULATOR_PORT",
    }


def test_what_our_last_run_exported_is_not_taken_for_a_choice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CKS_DATABASE_URL", "postgresql://ours")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "chosen:7233")
    surroundings.forget({"CKS_DATABASE_URL": "postgresql://ours", "TEMPORAL_ADDRESS": "ours:7233"})
    assert surroundings.read().database_url == ""
    assert surroundings.read().temporal_address == "chosen:7233"


def source(monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict[str, str]:
    """Leave the shell as after ``. env`` of a copy in a folder; return what it exported."""
    exports = {
        "CKS_DATABASE_URL": "postgresql://theirs",
        "TEMPORAL_ADDRESS": "theirs:7233",
        surroundings.MARKER: str(folder),
    }
    folder.mkdir(exist_ok=True)
    (folder / "env").write_text(summary.environment(exports))
    for name, value in exports.items():
        monkeypatch.setenv(name, value)
    return exports


def test_what_another_copy_exported_is_dropped_and_a_choice_made_since_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source(monkeypatch, tmp_path / "it's another")
    monkeypatch.setenv("CKS_DATABASE_URL", "postgresql://chosen")
    assert surroundings.forget_another_copy(tmp_path / "ours") == tmp_path / "it's another"
    assert surroundings.read().temporal_address == ""
    assert surroundings.read().database_url == "postgresql://chosen"
    assert surroundings.MARKER not in os.environ


def test_what_a_stopped_copy_exported_is_dropped_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source(monkeypatch, tmp_path / "another")
    (tmp_path / "another" / "env").unlink()
    assert surroundings.forget_another_copy(tmp_path / "ours")
    assert surroundings.read().ports().keys() >= {"CKS_POSTGRES_PORT", "CKS_TEMPORAL_PORT"}


def test_our_own_exports_are_no_other_copys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    exports = source(monkeypatch, tmp_path / "ours")
    assert surroundings.forget_another_copy(tmp_path / "x" / ".." / "ours") is None
    assert surroundings.read().database_url == exports["CKS_DATABASE_URL"]
    assert surroundings.MARKER not in os.environ
