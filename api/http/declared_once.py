"""Each route and each operation id is declared once.

Areas are written independently.  If two declared the same route, the router would use the first and
nobody would notice the second.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from api.http.endpoint import Endpoint

PART = re.compile(r"\{\w+\}")


@dataclass(frozen=True, slots=True)
class Declaration:
    """Something that there can be only once, and where it was said."""

    what: str
    where: str


def declarations_of(endpoint: Endpoint) -> Iterator[Declaration]:
    """Yield an endpoint's route and its operation id."""
    yield route_declared(endpoint.method, endpoint.path, endpoint.source)
    where = f"{endpoint.source} ({endpoint.method} {endpoint.path})"
    yield Declaration(f"the operation id {endpoint.name}", where)


def route_declared(method: str, path: str, where: str) -> Declaration:
    """Return a route's declaration; what the parts of the path are called makes no difference."""
    return Declaration(f"{method} {PART.sub('{}', path)}", where)


def check_declared_once(declarations: Iterable[Declaration]) -> None:
    """Raise ``ValueError``, naming both places, for what is declared twice."""
    places: dict[str, str] = {}
    for declared in declarations:
        if declared.what in places:
            both = f"{places[declared.what]} and {declared.where}"
            raise ValueError(f"{declared.what} is declared twice: {both}")
        places[declared.what] = declared.where
