"""The tenants' API alone: ``python -m bench.ours PORT``.

Everything that a request goes through, and nothing that comes after its answer: no relay runs,
and Temporal is away.
"""

import sys

from aiohttp import web

from api.announcements import Announcements
from api.app import build_app
from api.keys import Surroundings
from api.offers import Offers
from api.relay import Relay
from cks import settings
from cks.db.dispatch import Dispatch
from cks.db.session import Database
from cks.engine import Temporal, connect


async def build() -> web.Application:
    given = settings.load()
    database = Database(given.app_database_url, given.pool_size)
    dispatch = Dispatch(given.dispatch_database_url)
    temporal = Temporal(await connect({"target_host": "127.0.0.1:1"}), "cks")
    announcements = Announcements(given.app_database_url)
    relay = Relay(database, dispatch, temporal)
    return build_app(Surroundings(given, database, Offers(), relay, announcements))


def main() -> None:
    web.run_app(build(), host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


main()
