"""What handlers find around them, and under which key of the application."""

from dataclasses import dataclass

from aiohttp import web

from api.announcements import Announcements
from api.offers import Offers
from api.relay import Relay
from cks.db.session import Database
from cks.settings import Settings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that one API process has: made once, at its start."""

    settings: Settings
    database: Database
    offers: Offers
    relay: Relay
    announcements: Announcements


AROUND = web.AppKey("around", Surroundings)
REQUEST_ID = web.RequestKey("request_id", str)
