"""The tenants' API alone: ``python -m bench.ours PORT``.

Everything that a request goes through, and nothing that comes after its answer: no relay runs.
"""

import sys

from aiohttp import web

from api.app import build_app
from api.http.context import AppContext
from cks import settings
from cks.db.announcements import Announcements
from cks.db.catalogue.cache import CatalogueCache
from cks.db.session import Database


async def build() -> web.Application:
    given = settings.load()
    database = Database(given.app_database_url, given.pool_size)
    announcements = Announcements(given.app_database_url)
    return build_app(AppContext(given, database, CatalogueCache(), announcements, lambda: None))


def main() -> None:
    web.run_app(build(), host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


main()
