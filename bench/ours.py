"""The tenants' API alone: ``python -m bench.ours PORT``.

Everything that a request goes through, and nothing that comes after its answer: no relay runs,
and Temporal is away.
"""

import sys

from aiohttp import web

from api.app import build_app
from api.background.relay import Relay
from api.http.context import AppContext
from cks import settings
from cks.db.announcements import Announcements
from cks.db.catalogue.cache import CatalogueCache
from cks.db.dispatch import Dispatch
from cks.db.session import Database
from cks.temporal.engine import Temporal, connect


async def build() -> web.Application:
    given = settings.load()
    database = Database(given.app_database_url, given.pool_size)
    dispatch = Dispatch(given.dispatch_database_url)
    temporal = Temporal(await connect({"target_host": "127.0.0.1:1"}), "cks")
    announcements = Announcements(given.app_database_url)
    relay = Relay(database, dispatch, temporal)
    return build_app(AppContext(given, database, CatalogueCache(), announcements, relay.wake))


def main() -> None:
    web.run_app(build(), host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


main()
