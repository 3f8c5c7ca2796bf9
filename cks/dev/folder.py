"""The folder of one development stack (``.dev``): its lock, its secrets, its logs.

Exactly one stack runs in a folder.  The lock is ``flock``'s, which ends with the process
however it ends; the file names the process, and is emptied only by an orderly stop, so that
the next start knows when its predecessor was killed.
"""

import fcntl
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import IO

from cks.dev.surroundings import Trouble

LARGEST_LOG = 10 * 1024 * 1024


class Folder:
    """Locked from ``claim`` to ``release``."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: IO[str] | None = None

    def claim(self) -> bool:
        """Make the folder and lock it; return whether the last stack here was killed.

        Raise ``Trouble`` where another stack runs in it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = (self.path / "lock").open("a+")
        lock.seek(0)
        holder = lock.read().strip()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise Trouble(
                f"`make dev` already runs in {self.path} (process {holder or 'unknown'})."
                " Stop that one first, or choose another folder and ports:"
                " CKS_DEV_DIR and the CKS_…_PORT variables."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        return bool(holder)

    def release(self) -> None:
        if self._lock:
            self._lock.truncate(0)
            self._lock.close()

    def withdraw(self) -> None:
        """Take back what says that all is ready."""
        (self.path / "env").unlink(missing_ok=True)

    def logs(self) -> Path:
        """Return the folder of the logs; one grown beyond 10 MB is put aside."""
        logs = self.path / "logs"
        logs.mkdir(exist_ok=True)
        for log in logs.glob("*.log"):
            if log.stat().st_size > LARGEST_LOG:
                log.replace(log.with_suffix(".log.1"))
        return logs

    def keep(self, name: str, text: str) -> None:
        """Write a file that only we may read, whole or not at all."""
        draft = self.path / f"{name}.draft"
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600, exist_ok=False)
        draft.write_text(text)
        draft.replace(self.path / name)

    def kept(self, name: str) -> dict[str, str]:
        """Return a kept JSON object, or an empty one."""
        with suppress(FileNotFoundError, ValueError):
            found = json.loads((self.path / name).read_text())
            return {str(key): str(value) for key, value in found.items()}
        return {}

    def password(self, role: str) -> str:
        """Return the role's password, made at the first call ever."""
        known = self.kept("passwords.json")
        if role not in known:
            known[role] = secrets.token_hex(24)
            self.keep("passwords.json", json.dumps(known))
        return known[role]
