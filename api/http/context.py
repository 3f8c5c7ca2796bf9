"""What handlers get from the application, and under which keys."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from cks.db.announcements import Announcements
from cks.db.catalogue.cache import CatalogueCache
from cks.db.session import Database
from cks.settings import Settings


@dataclass(frozen=True, slots=True)
class AppContext:
    """Everything that one API process has, made once at its start.

    ``wake_relay``: to call when something was committed that may need a run; a relay in another
    process learns of it from the database.
    """

    settings: Settings
    database: Database
    offers: CatalogueCache
    announcements: Announcements
    wake_relay: Callable[[], None]


APP_CONTEXT = web.AppKey("context", AppContext)
REQUEST_ID = web.RequestKey("request_id", str)
