"""What a request is validated against: the present catalogue."""

from collections.abc import Mapping

from api.http.context import AppContext
from cks.db.session import Session


async def what_is_on_offer(context: AppContext, session: Session) -> Mapping[str, object]:
    """Return what the rules of ``new_cluster`` find in their context."""
    return {"catalogue": await context.offers.current(session)}
