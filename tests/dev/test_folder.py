import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cks.dev.folder import LARGEST_LOG, Folder
from cks.dev.surroundings import Trouble

CLAIM = """
import sys
from pathlib import Path
from cks.dev.folder import Folder
folder = Folder(Path(sys.argv[1]))
print(folder.claim())
"""


def test_a_second_claim_is_refused_and_names_the_first(tmp_path: Path) -> None:
    first = Folder(tmp_path)
    first.claim()
    with pytest.raises(Trouble, match=rf"already runs in {tmp_path} \(process {os.getpid()}\)"):
        Folder(tmp_path).claim()
    first.release()


def test_a_claim_knows_whether_its_predecessor_stopped_in_order(tmp_path: Path) -> None:
    stopped = Folder(tmp_path)
    stopped.claim()
    stopped.release()
    told = [
        subprocess.run([sys.executable, "-c", CLAIM, tmp_path], check=True, capture_output=True)
        for _ in range(2)
    ]
    assert [ran.stdout.strip() for ran in told] == [b"False", b"True"]


def test_what_is_kept_is_for_our_eyes_alone(tmp_path: Path) -> None:
    Folder(tmp_path).keep("env", "export A='1'\n")
    assert stat.S_IMODE((tmp_path / "env").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["env"]


def test_a_password_is_made_once(tmp_path: Path) -> None:
    first = Folder(tmp_path).password("cks_app")
    assert Folder(tmp_path).password("cks_app") == first
    assert Folder(tmp_path).password("cks_dispatch") != first


def test_a_log_grown_too_large_is_put_aside(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (folder.logs() / "api.log").write_bytes(b"x" * (LARGEST_LOG + 1))
    (folder.logs() / "worker.log").write_text("short")
    assert sorted(path.name for path in folder.logs().iterdir()) == ["api.log.1", "worker.log"]
