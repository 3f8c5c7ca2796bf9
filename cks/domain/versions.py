"""Kubernetes versions: what is on offer on a given day.

Upstream supports a minor for about fourteen months: twelve in full, two in maintenance.  We
run it for another year (``extended``), as EKS, GKE and AKS do, so that nobody is forced to
upgrade in a hurry.  Support is computed from dates and a day, never stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from cks.domain.refusals import Fault

EXTENDED_SUPPORT = timedelta(days=365)


class Support(StrEnum):
    PREVIEW = "preview"
    SUPPORTED = "supported"
    DEPRECATED = "deprecated"
    EXTENDED = "extended"
    EXPIRED = "expired"


ORDERABLE = (Support.SUPPORTED, Support.DEPRECATED, Support.EXTENDED)


@dataclass(frozen=True, slots=True)
class Minor:
    """A Kubernetes minor (``1.35``), its dates, and its newest patch (``1.35.8``)."""

    minor: str
    released: date
    maintenance_from: date | None
    end_of_life: date
    latest_patch: str

    @property
    def order(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.minor.split("."))


def support_of(minor: Minor, today: date) -> Support:
    """Return what we promise for a minor on that day."""
    if today < minor.released:
        return Support.PREVIEW
    if today > minor.end_of_life + EXTENDED_SUPPORT:
        return Support.EXPIRED
    if today > minor.end_of_life:
        return Support.EXTENDED
    if minor.maintenance_from is not None and today >= minor.maintenance_from:
        return Support.DEPRECATED
    return Support.SUPPORTED


def choices(minors: Sequence[Minor], today: date) -> list[Minor]:
    """Return the minors that a new cluster may run, newest first."""
    fit = [minor for minor in minors if support_of(minor, today) in ORDERABLE]
    return sorted(fit, key=lambda minor: minor.order, reverse=True)


def resolve(minors: Sequence[Minor], wanted: str | None, today: date) -> str | Fault:
    """Return the patch for a wish: a minor, a known patch, or nothing (the newest).

    A ``Fault`` says whether the version is expired or unknown, and names the choices.
    """
    offered = choices(minors, today)
    for minor in offered:
        if wanted in (None, minor.minor, minor.latest_patch):
            return minor.latest_patch
    if not offered:
        return Fault("/version", "version_not_offered", "no version is on offer now")
    known = any(wanted in (minor.minor, minor.latest_patch) for minor in minors)
    what = "not on offer" if known else "unknown"
    newest = "".join(
        _newest(minor) for minor in offered if str(wanted).startswith(f"{minor.minor}.")
    )
    names = ", ".join(minor.minor for minor in offered)
    return Fault(
        "/version",
        "version_not_offered" if known else "unknown_version",
        f"{wanted} is {what}; {newest}choose one of {names}",
    )


def _newest(minor: Minor) -> str:
    return f"the newest patch of {minor.minor} is {minor.latest_patch}; "
