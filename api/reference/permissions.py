"""``make permissions``: which built-in role may call which route, for ``docs/permissions.md``.

It is derived from the declarations of routes and roles; a test makes one call for each pair.
"""

from collections.abc import Iterator
from pathlib import Path

from api.http.endpoint import Endpoint
from api.routes import ENDPOINTS
from cks.db.access.decisions import Target
from cks.domain.access.permissions import PERMISSIONS, ROLES, BuiltIn

MARK = "<!-- From here on it is made by `make permissions`. -->"
YES, NO = "✓", ""


def admits(role: BuiltIn, endpoint: Endpoint) -> bool:
    """Say whether a role lets its user call a route.

    One that is not tenant-wide is bound to a namespace: it allows the lists, and what is in there.
    """
    if endpoint.permission is None or endpoint.target is Target.OWN:
        return True
    if endpoint.permission not in role.permissions:
        return False
    return role.tenant_wide or endpoint.target is Target.ANYWHERE


def rows() -> Iterator[str]:
    """Yield the tables, line by line."""
    yield "## Permissions"
    yield ""
    yield "| permission | allows | lowest scope | " + " | ".join(ROLES) + " |"
    yield "|---|---|---|" + "---|" * len(ROLES)
    for name, permission in PERMISSIONS.items():
        held = " | ".join(_mark(name in role.permissions) for role in ROLES.values())
        yield f"| `{name}` | {permission.description} | {permission.scope} | {held} |"
    yield ""
    yield "## Routes"
    yield ""
    yield "| route | permission | " + " | ".join(ROLES) + " |"
    yield "|---|---|" + "---|" * len(ROLES)
    for endpoint in ENDPOINTS:
        may = " | ".join(_mark(admits(role, endpoint)) for role in ROLES.values())
        needed = f"`{endpoint.permission}`" if endpoint.permission else endpoint.why_open
        yield f"| `{endpoint.method} {endpoint.path}` | {needed} | {may} |"


def _mark(holds: bool) -> str:  # noqa: FBT001
    return YES if holds else NO


def page(before: str) -> str:
    """Return the page with its tables regenerated."""
    prose = before.partition(MARK)[0]
    return f"{prose}{MARK}\n\n" + "\n".join(rows()) + "\n"


def main() -> None:
    """Regenerate the page."""
    place = Path("docs/permissions.md")
    place.write_text(page(place.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
