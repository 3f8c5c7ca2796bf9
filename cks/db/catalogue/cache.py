"""What is on offer, as this process last read it.

Operators change the catalogue rarely, while every request needs it.  So it is read again only when
it is some seconds old, in the transaction of the request that needs it.
"""

import time

from cks.catalogue import Catalogue
from cks.db.catalogue import offer
from cks.db.session import Session

FRESH_SECONDS = 5.0


class CatalogueCache:
    """Two requests that read it at once do no harm."""

    def __init__(self) -> None:
        self._known: Catalogue | None = None
        self._read_at = 0.0

    async def current(self, session: Session) -> Catalogue:
        """Return the catalogue as it is, or was seconds ago."""
        if self._known is None or time.monotonic() - self._read_at > FRESH_SECONDS:
            self._known = await offer.read(session)
            self._read_at = time.monotonic()
        return self._known
