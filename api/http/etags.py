"""Entity tags: computed from a row, and compared with ``If-Match`` (RFC 9110, section 13.1.1)."""

import hashlib
from datetime import datetime
from typing import Protocol
from uuid import UUID

from aiohttp import web

from cks.domain.refusals import PreconditionFailed


class Versioned(Protocol):
    """A row with a version."""

    @property
    def id(self) -> UUID: ...

    @property
    def generation(self) -> int: ...

    @property
    def updated_at(self) -> datetime: ...


def check_match(request: web.Request, row: Versioned) -> None:
    """Raise ``PreconditionFailed`` unless the row is in the state that ``If-Match`` names."""
    if request.headers.get("If-Match") not in (None, "*", etag_of(row)):
        raise PreconditionFailed("The current ETag does not match If-Match.")


def etag_of(row: Versioned) -> str:
    """Return the entity tag: it changes whenever the row does."""
    state = f"{row.id} {row.generation} {row.updated_at.isoformat()}"
    return f'"{hashlib.sha256(state.encode()).hexdigest()[:32]}"'
