"""What can be ordered: Kubernetes minors and instance types, read from ``cks/data``."""

import json
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

from cks.domain.versions import Minor


@dataclass(frozen=True, slots=True)
class InstanceType:
    """A kind of machine.  ``memory_gib`` in GiB."""

    name: str
    vcpus: int
    memory_gib: int
    architecture: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    minors: tuple[Minor, ...]
    instance_types: tuple[InstanceType, ...]


@cache
def load() -> Catalogue:
    """Return the catalogue, in the files' order (newest minor, smallest type first)."""
    releases = json.loads(_text("kubernetes-releases.json"))["minors"]
    types = json.loads(_text("instance-types.json"))["instance_types"]
    return Catalogue(
        tuple(
            Minor(
                minor=entry["minor"],
                released=date.fromisoformat(entry["released"]),
                maintenance_from=_day(entry["maintenance_from"]),
                end_of_life=date.fromisoformat(entry["end_of_life"]),
                latest_patch=entry["latest_patch"],
            )
            for entry in releases
        ),
        tuple(
            InstanceType(e["name"], e["vcpus"], e["memory_gib"], e["architecture"]) for e in types
        ),
    )


def _text(name: str) -> str:
    return (files("cks") / "data" / name).read_text(encoding="utf-8")


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
