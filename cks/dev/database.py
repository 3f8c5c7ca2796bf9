"""The database made fit for API and worker: migrated, its two logins with their passwords."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from cks.db.admin.connection import NotDone
from cks.db.admin.logins import let_in
from cks.db.admin.migrate import upgrade
from cks.dev.folder import Folder
from cks.dev.surroundings import Surroundings, Trouble

APP, DISPATCH = "cks_app", "cks_dispatch"


@dataclass(frozen=True, slots=True)
class Urls:
    """One database under its three logins, in libpq's form."""

    owner: str
    app: str
    dispatch: str


async def prepare(owner: str, chosen: Surroundings, folder: Folder) -> Urls:
    """Migrate, and let ``cks_app`` and ``cks_dispatch`` in, unless their URLs were given."""
    try:
        await upgrade(owner)
    except NotDone as error:
        raise Trouble(f"The database at CKS_DATABASE_URL cannot be migrated: {error}") from error
    if chosen.database_url and chosen.app_database_url and chosen.dispatch_database_url:
        return Urls(owner, chosen.app_database_url, chosen.dispatch_database_url)
    passwords = {role: folder.password(role) for role in (APP, DISPATCH)}
    try:
        await let_in(owner, passwords)
    except NotDone as error:
        raise Trouble(
            f"The login of CKS_DATABASE_URL may not set the passwords of {APP} and {DISPATCH}:"
            " set CKS_APP_DATABASE_URL and CKS_DISPATCH_DATABASE_URL too."
        ) from error
    return Urls(owner, *(_login(owner, role, word) for role, word in passwords.items()))


def _login(url: str, role: str, password: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{role}:{password}@{place}").geturl()
