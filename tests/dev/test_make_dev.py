"""``python -m cks.dev`` as ``make dev`` runs it: refusals, one whole life, and a second."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cks.dev import temporal
from cks.dev.folder import Folder
from cks.dev.surroundings import Trouble
from tests.support.servers import free_port, open_folder
from tests.support.stack import (
    STOP_SECONDS,
    exports,
    gone,
    members,
    report,
    running,
    surroundings_of,
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user reaches: pytest's own are closed to others."""
    with open_folder() as path:
        yield path


@pytest.fixture
def surroundings(folder: Path) -> dict[str, str]:
    return surroundings_of(folder)


def refused(surroundings: dict[str, str]) -> str:
    words = [sys.executable, "-m", "cks.dev"]
    ran = subprocess.run(words, env=surroundings, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    return ran.stdout


def test_a_second_start_in_a_folder_is_refused_and_leaves_the_first_alone(
    surroundings: dict[str, str],
) -> None:
    first = Folder(Path(surroundings["CKS_DEV_DIR"]))
    first.claim()
    first.keep("env", "the first one's")
    assert f"already runs in {first.path}" in refused(surroundings)
    assert (first.path / "env").read_text() == "the first one's"
    first.release()


def test_a_taken_port_is_told_before_anything_is_started(surroundings: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(surroundings["CKS_TEMPORAL_UI_PORT"]))):
        told = refused(surroundings)
    assert f"port {surroundings['CKS_TEMPORAL_UI_PORT']} (CKS_TEMPORAL_UI_PORT)" in told
    assert list(Path(surroundings["CKS_DEV_DIR"], "logs").iterdir()) == []


def test_a_copy_whose_env_was_sourced_here_is_named_and_its_servers_are_not_ours(
    surroundings: dict[str, str], folder: Path
) -> None:
    away = f"postgresql://somebody:secret@127.0.0.1:{free_port()}/cks"
    sourced = {"CKS_DEV_FOLDER": str(folder / "another"), "CKS_DATABASE_URL": away}
    told = refused(surroundings | sourced | {"CKS_PROVIDER_SPEED": "fast"})
    assert f"the copy in {folder / 'another'}" in told
    assert "The reason: CKS_PROVIDER_SPEED=fast: " in told
    assert "cannot be migrated" not in told
    assert "Traceback" not in told
    assert list(Path(surroundings["CKS_DEV_DIR"], "logs").iterdir()) == []


def test_a_database_that_does_not_answer_is_told_in_one_line(surroundings: dict[str, str]) -> None:
    away = f"postgresql://somebody:secret@127.0.0.1:{free_port()}/cks"
    told = refused(surroundings | {"CKS_DATABASE_URL": away})
    assert "The database at CKS_DATABASE_URL cannot be migrated" in told
    assert "Traceback" not in told
    assert gone(Path(surroundings["CKS_DEV_DIR"]), 0)


def test_the_message_names_the_ways_out_where_there_is_no_temporal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Trouble, match=r"TEMPORAL_ADDRESS .* development extra .* on the PATH"):
        temporal.find()


def test_a_whole_life_leaves_nothing_running_and_a_second_one_keeps_the_data(
    surroundings: dict[str, str],
) -> None:
    folder = Path(surroundings["CKS_DEV_DIR"])
    with running(surroundings):
        first = exports(folder)
        assert first["CKS_DEV_FOLDER"] == str(folder)
        urls = [url for name, url in first.items() if "DATABASE" in name]
        commands = b"".join((process / "cmdline").read_bytes() for process in members(folder))
        assert not [url for url in urls if url.split(":")[2].split("@")[0] in commands.decode()]
    assert gone(folder, STOP_SECONDS), "a killed supervisor leaves no orphans"

    (folder / "env").unlink()
    with running(surroundings) as stack:
        assert exports(folder) == first
        os.killpg(stack.pid, signal.SIGTERM)
        assert stack.wait(STOP_SECONDS) == 0, report(folder)
        assert gone(folder, 0)
        assert not (folder / "env").exists()
