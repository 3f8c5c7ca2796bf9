"""Where the settings come from, and what a wrong one is answered with."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from cks import settings
from cks.settings import BadSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting at all, in a folder of our own, with a virtual environment in another."""
    for name in list(os.environ):
        if name.startswith(("CKS_", "TEMPORAL_")):
            monkeypatch.delenv(name)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "checkout" / ".venv"))


def write(folder: Path, url: str) -> None:
    folder.mkdir(parents=True)
    (folder / "env").write_text(f"export CKS_DATABASE_URL='{url}'\nexport CKS_DEV_FOLDER='x'\n")


def found() -> str:
    return settings.load(development=True).database_url


def test_the_nearest_copy_is_found_and_no_two_are_mixed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert found() == ""
    write(tmp_path / "checkout" / ".dev", "beside")
    assert found() == "beside"
    write(Path(".dev"), "here")
    assert found() == "here"
    monkeypatch.setenv("CKS_DEV_DIR", str(tmp_path / "chosen"))
    assert found() == "", "the copy that is meant does not run, so no other stands in for it"
    write(tmp_path / "chosen", "chosen")
    assert found() == "chosen"


def test_a_variable_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write(Path(".dev"), "here")
    monkeypatch.setenv("CKS_DATABASE_URL", "given")
    assert found() == "given"


def test_api_and_worker_learn_no_superuser_from_the_file() -> None:
    write(Path(".dev"), "here")
    assert settings.load().database_url == ""


def test_all_that_is_wrong_is_told_in_one_line_by_its_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CKS_PROVIDER_SPEED", "fast")
    monkeypatch.setenv("CKS_OPS_PORT", "0")
    with pytest.raises(
        BadSettings, match=r"^CKS_OPS_PORT=0: [^\n]+; CKS_PROVIDER_SPEED=fast: [^\n]+$"
    ):
        settings.load()


@pytest.mark.parametrize("module", ["api", "worker", "cks.cli"])
async def test_every_program_refuses_a_wrong_setting_in_one_line(module: str) -> None:
    words = ("admin", "tenant", "list") if module == "cks.cli" else ()
    ran = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *words,
        cwd=ROOT,
        env=os.environ | {"CKS_PROVIDER_SPEED": "fast"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(ran.communicate(), 20)
    assert ran.returncode == 1
    assert "CKS_PROVIDER_SPEED=fast: " in errors.decode()
    assert errors.decode().count("\n") == 1
