"""The passwords of the two logins that migrations create, for API, worker and loops."""

from urllib.parse import unquote, urlsplit

import sqlalchemy as sa

from cks.db.admin.connection import NotDone, connected

LOGINS = ("cks_app", "cks_dispatch")
SENTENCE = sa.text(
    "SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', CAST(:role AS text), CAST(:password AS text))"
)
"""``ALTER ROLE`` takes no parameters; PostgreSQL quotes them itself."""


def passwords_of(*urls: str) -> dict[str, str]:
    """Return login → password from URLs; raise ``NotDone`` for another login's."""
    found = {}
    for url in filter(None, urls):
        place = urlsplit(url)
        if place.username not in LOGINS or not place.password:
            raise NotDone(
                f"{place.username} is not {' or '.join(LOGINS)}, or its URL has no password."
            )
        found[place.username] = unquote(place.password)
    return found


async def let_in(owner_url: str, passwords: dict[str, str]) -> None:
    """Set the logins' passwords.  Open connections stay open."""
    async with connected(owner_url) as connection:
        for role, password in passwords.items():
            params = {"role": role, "password": password}
            sentence = await connection.scalar(SENTENCE, params)
            await connection.exec_driver_sql(str(sentence))
