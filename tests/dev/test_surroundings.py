import os
import socket

import pytest

from cks.dev import surroundings
from cks.dev.surroundings import Trouble


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("CKS_", "TEMPORAL_")):
            monkeypatch.delenv(name)


async def test_a_taken_port_is_named_with_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(Trouble, match=rf"Port {port} is taken .* CKS_OPS_PORT"):
            await surroundings.check_ports({"CKS_OPS_PORT": port})


async def test_two_servers_on_one_port_are_refused() -> None:
    with pytest.raises(Trouble, match="CKS_API_PORT and CKS_OPS_PORT are both 18080"):
        await surroundings.check_ports({"CKS_API_PORT": 18080, "CKS_OPS_PORT": 18080})


def test_a_port_that_is_no_number_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CKS_API_PORT", "http")
    with pytest.raises(Trouble, match="CKS_API_PORT"):
        surroundings.read()


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
