"""Entity tags: made of a row, and compared with what a request names."""

import hashlib

from aiohttp import web

from cks.db.models.clusters import Cluster, NodePool
from cks.db.models.rbac import RbacRole
from cks.domain.refusals import PreconditionFailed


def check_match(request: web.Request, row: Cluster | RbacRole) -> None:
    """Raise ``PreconditionFailed`` unless the row is in the state that ``If-Match`` names."""
    if request.headers.get("If-Match") not in (None, "*", etag_of(row)):
        raise PreconditionFailed("It is not in the state that If-Match names.")


def etag_of(row: Cluster | NodePool | RbacRole) -> str:
    """Return the entity tag: it changes whenever the row does."""
    state = f"{row.id} {row.generation} {row.updated_at.isoformat()}"
    return f'"{hashlib.sha256(state.encode()).hexdigest()[:32]}"'
