"""``python -m cks.dev`` as ``make dev`` runs it: refusals, one whole life, and a second."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cks.dev import temporal
from cks.dev.folder import Folder
from cks.dev.surroundings import Trouble
from tests.servers import free_port

SERVERS = ("API", "OPS", "POSTGRES", "SIMULATOR", "TEMPORAL", "TEMPORAL_UI")
READY_SECONDS = 25
STOP_SECONDS = 15


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user reaches: pytest's own are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="cks-tests-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def surroundings(folder: Path) -> dict[str, str]:
    """Free ports and a folder of its own; nothing of a stack that may run here already."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("CKS_", "TEMPORAL_"))}
    ports = {f"CKS_{server}_PORT": str(free_port()) for server in SERVERS}
    return inherited | ports | {"CKS_DEV_DIR": str(folder / "dev")}


def refused(surroundings: dict[str, str]) -> str:
    words = [sys.executable, "-m", "cks.dev"]
    ran = subprocess.run(words, env=surroundings, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    return ran.stdout


@contextmanager
def running(surroundings: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a stack, ready inside the block; it is gone after it, however the test ends."""
    folder = Path(surroundings["CKS_DEV_DIR"])
    folder.mkdir(exist_ok=True)
    with (folder / "told").open("ab") as told:
        words = [sys.executable, "-m", "cks.dev"]
        stack = subprocess.Popen(
            words, env=surroundings, stdout=told, stderr=told, start_new_session=True
        )
    try:
        end = time.monotonic() + READY_SECONDS
        while not (folder / "env").exists():
            assert stack.poll() is None, report(folder)
            assert time.monotonic() < end, report(folder)
            time.sleep(0.1)
        yield stack
    finally:
        stack.kill()
        stack.wait()


def report(folder: Path) -> str:
    """What the stack told, and the logs of its programs."""
    logs = [folder / "told", *(folder / "logs").glob("*.log")]
    return "\n".join(f"{log.name}:\n{log.read_text()[-2000:]}" for log in logs)


def members(folder: Path) -> list[Path]:
    """Return the living processes that inherited this stack's folder."""
    mark, found = f"CKS_DEV_DIR={folder}\0".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (process / "environ").read_bytes():
                found.append(process)
    return found


def gone(folder: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while members(folder) and time.monotonic() < end:
        time.sleep(0.05)
    return not members(folder)


def exports(folder: Path) -> dict[str, str]:
    return dict(re.findall(r"^export (\w+)='(.*)'$", (folder / "env").read_text(), re.MULTILINE))


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
    assert f"Port {surroundings['CKS_TEMPORAL_UI_PORT']} is taken" in told
    assert "CKS_TEMPORAL_UI_PORT" in told
    assert list(Path(surroundings["CKS_DEV_DIR"], "logs").iterdir()) == []


def test_a_database_that_does_not_answer_is_told_in_one_line(surroundings: dict[str, str]) -> None:
    away = f"postgresql://somebody:secret@127.0.0.1:{free_port()}/cks"
    told = refused(surroundings | {"CKS_DATABASE_URL": away})
    assert "The database of CKS_DATABASE_URL cannot be migrated" in told
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
