"""Files of the catalogue: Kubernetes minors, instance types, and what they cost.

A file has one or both of the two lists, in the format of the project's own in ``cks/data``.  A list
is complete: what it no longer contains is withdrawn.  All errors are reported at once.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from cks.domain.billing.prices import CONTROL_PLANE, DISK, PRICE, node_sku
from cks.domain.clusters.versions import Minor, check_minors

MINOR_FORM = r"^[0-9]{1,3}\.[0-9]{1,3}$"
PATCH_FORM = r"^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$"
NAME_FORM = r"^[a-z0-9][-a-z0-9.]*$"
CURRENCY_FORM = r"^[A-Z]{3}$"
AMOUNT_FORM = r"^[0-9]{1,9}(\.[0-9]{1,10})?$"
FORMS = {
    MINOR_FORM: "must be a minor version such as 1.35",
    PATCH_FORM: "must be a patch version such as 1.35.8",
    NAME_FORM: "must consist of lowercase letters, digits, hyphens and dots",
    CURRENCY_FORM: "must be an ISO 4217 code such as EUR",
    AMOUNT_FORM: 'must be a price as a string, such as "0.096", and not negative',
}
"""Pattern → its message.  A price is a string: a JSON number may have been rounded before."""
Amount = Annotated[str, StringConstraints(pattern=AMOUNT_FORM)]


class BadCatalogue(ValueError):  # noqa: N818
    """The file is invalid; the message names everything that is wrong with it."""


@dataclass(frozen=True, slots=True)
class InstanceType:
    """A machine type.  ``memory_gib`` in GiB; a ``withdrawn`` one cannot be ordered."""

    name: str
    vcpus: int
    memory_gib: int
    architecture: str
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What can be ordered, and what could be once, in the order of lists."""

    minors: tuple[Minor, ...]
    instance_types: tuple[InstanceType, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The contents of a file; ``None`` for a list that it does not have.

    ``prices`` are by SKU, per unit in which that is listed, in ``currency``.
    """

    minors: tuple[Minor, ...] | None
    instance_types: tuple[InstanceType, ...] | None
    currency: str
    prices: dict[str, Decimal]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Minor(_Entry):
    minor: Annotated[str, StringConstraints(pattern=MINOR_FORM)]
    released: date
    maintenance_from: date | None
    end_of_life: date
    latest_patch: Annotated[str, StringConstraints(pattern=PATCH_FORM)]
    latest_patch_released: date | None = None
    dates_estimated: bool = False


class _Type(_Entry):
    name: Annotated[str, StringConstraints(pattern=NAME_FORM, max_length=48)]
    vcpus: Annotated[int, Field(ge=1, le=10_000)]
    memory_gib: Annotated[int, Field(ge=1, le=100_000)]
    architecture: Literal["amd64", "arm64"]
    price_per_hour: Amount | None = None


class _File(_Entry):
    about: str = ""
    minors: Annotated[list[_Minor], Field(min_length=1)] | None = None
    currency: Annotated[str, StringConstraints(pattern=CURRENCY_FORM)] = "USD"
    instance_types: Annotated[list[_Type], Field(min_length=1)] | None = None
    disk_price_per_gib_month: Amount | None = None
    control_plane_price_per_hour: Amount | None = None


def parse(text: str | bytes) -> Wanted:
    """Parse a file; raise ``BadCatalogue`` if it is invalid."""
    try:
        said = _File.model_validate_json(text)
    except ValidationError as error:
        raise BadCatalogue("; ".join(map(_told, error.errors()))) from error
    minors = said.minors and tuple(Minor(**dict(entry)) for entry in said.minors)
    types = said.instance_types and tuple(map(_instance_type, said.instance_types))
    if wrong := check_minors(minors or ()) + _twice(types or ()):
        raise BadCatalogue("; ".join(wrong))
    return Wanted(minors or None, types or None, said.currency, _prices(said))


def _told(error: ErrorDetails) -> str:
    place = "/".join(map(str, error["loc"]))
    said = FORMS.get(str(error.get("ctx", {}).get("pattern")), error["msg"])
    return f"{place or 'the file'}: {said}"


def _instance_type(entry: _Type) -> InstanceType:
    return InstanceType(entry.name, entry.vcpus, entry.memory_gib, entry.architecture)


def _twice(types: Sequence[InstanceType]) -> list[str]:
    seen = Counter(kind.name for kind in types)
    return [f"{name} appears twice" for name, times in seen.items() if times > 1]


def _prices(said: _File) -> dict[str, Decimal]:
    listed = {
        CONTROL_PLANE.name: said.control_plane_price_per_hour,
        DISK.name: said.disk_price_per_gib_month,
        **{node_sku(kind.name): kind.price_per_hour for kind in said.instance_types or ()},
    }
    return {sku: Decimal(text).quantize(PRICE) for sku, text in listed.items() if text}


@cache
def load() -> Catalogue:
    """Return the contents of the project's own files, in their order."""
    releases, types = (parse(own(name)) for name in ("kubernetes-releases", "instance-types"))
    return Catalogue(releases.minors or (), types.instance_types or ())


def own(name: str) -> str:
    """Return the text of one of the project's own files."""
    return (files("cks") / "data" / f"{name}.json").read_text(encoding="utf-8")
