"""Kubernetes versions: what is on offer at a given instant.

Upstream supports a minor for about fourteen months: twelve in full, two in maintenance.  We
run it for another year (``extended``), as EKS, GKE and AKS do, so that nobody is forced to
upgrade in a hurry.  Support is computed from dates and an instant, never stored.  The dates
are days in UTC; a last day counts whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from cks.domain.refusals import Fault

EXTENDED_SUPPORT = timedelta(days=365)
DAY = timedelta(days=1)


class Support(StrEnum):
    PREVIEW = "preview"
    SUPPORTED = "supported"
    DEPRECATED = "deprecated"
    EXTENDED = "extended"
    EXPIRED = "expired"


ORDERABLE = (Support.SUPPORTED, Support.DEPRECATED, Support.EXTENDED)


@dataclass(frozen=True, slots=True)
class Minor:
    """A Kubernetes minor (``1.35``), its dates, and its newest patch (``1.35.8``).

    ``end_of_life`` is the last day of upstream's support.  What is ``withdrawn`` cannot be
    ordered, whatever its dates say.
    """

    minor: str
    released: date
    maintenance_from: date | None
    end_of_life: date
    latest_patch: str
    latest_patch_released: date | None = None
    dates_estimated: bool = False
    withdrawn: bool = False

    @property
    def order(self) -> tuple[int, ...]:
        return numbers_of(self.minor)

    @property
    def extended_until(self) -> date:
        """Return the last day of our own support."""
        return self.end_of_life + EXTENDED_SUPPORT

    def course(self) -> list[tuple[date, Support]]:
        """Return the days at whose beginning its support changes, and to what, in order."""
        kept = [(self.maintenance_from, Support.DEPRECATED)] if self.maintenance_from else []
        return [
            (self.released, Support.SUPPORTED),
            *kept,
            (self.end_of_life + DAY, Support.EXTENDED),
            (self.extended_until + DAY, Support.EXPIRED),
        ]


def numbers_of(version: str) -> tuple[int, ...]:
    """Return a version's numbers, by which versions are in order."""
    return tuple(int(part) for part in version.split("."))


def support_of(minor: Minor, at: datetime) -> Support:
    """Return what we promise for a minor at an instant."""
    today = at.astimezone(UTC).date()
    begun = [support for since, support in minor.course() if since <= today]
    return begun[-1] if begun else Support.PREVIEW


def is_orderable(minor: Minor, at: datetime) -> bool:
    """Say whether a new cluster may run it."""
    return not minor.withdrawn and support_of(minor, at) in ORDERABLE


def choices(minors: Sequence[Minor], at: datetime) -> list[Minor]:
    """Return the minors that a new cluster may run, newest first."""
    fit = [minor for minor in minors if is_orderable(minor, at)]
    return sorted(fit, key=lambda minor: minor.order, reverse=True)


def resolve(minors: Sequence[Minor], wanted: str | None, at: datetime) -> str | Fault:
    """Return the patch for a requested minor or patch, or the newest patch if nothing is requested.

    A ``Fault`` says whether the version is not on offer or unknown, and names the choices.
    """
    meant = [m for m in minors if wanted in (None, m.minor, m.latest_patch)]
    if found := choices(meant, at):
        return found[0].latest_patch
    offered = choices(minors, at)
    if not offered:
        return Fault("/version", "version_not_offered", "no version is currently available")
    what = "not available" if meant else "unknown"
    newest = "".join(
        _newest(minor) for minor in offered if str(wanted).startswith(f"{minor.minor}.")
    )
    names = ", ".join(minor.minor for minor in offered)
    return Fault(
        "/version",
        "version_not_offered" if meant else "unknown_version",
        f"{wanted} is {what}; {newest}choose one of: {names}",
    )


def _newest(minor: Minor) -> str:
    return f"the latest patch of {minor.minor} is {minor.latest_patch}; "


def check_minors(minors: Sequence[Minor]) -> list[str]:
    """Name what cannot be true of minors, alone or side by side."""
    in_order = sorted(minors, key=lambda minor: minor.order)
    wrong = [said for minor in in_order for said in _check_minor(minor)]
    for before, after in pairwise(in_order):
        if before.minor == after.minor:
            wrong.append(f"{after.minor} appears twice")
        elif after.released < before.released:
            when = f"released on {after.released}, before {before.minor} ({before.released})"
            wrong.append(f"{after.minor} is {when}")
    return wrong


def _check_minor(minor: Minor) -> list[str]:
    wrong = []
    dates = [minor.released, minor.maintenance_from or minor.released, minor.end_of_life]
    if dates != sorted(dates):
        wrong.append(f"the dates of {minor.minor} are not in order")
    if not minor.latest_patch.startswith(f"{minor.minor}."):
        wrong.append(f"{minor.latest_patch} is not a patch of {minor.minor}")
    return wrong
