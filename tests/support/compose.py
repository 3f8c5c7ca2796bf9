"""The production files as their readers would read them.

``docker-compose.yml`` is merged, with its variables filled in; the Dockerfile is instructions.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


class Missing(Exception):  # noqa: N818
    """A variable without which Compose refuses to start."""


def read(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the file with variables filled in; raise ``Missing`` for one that must be set."""

    def fill(found: re.Match[str]) -> str:
        name, how, default = found.groups()
        if value := variables.get(name):
            return value
        if how == "?":
            raise Missing(name)
        return default or ""

    told: dict[str, Any] = YAML(typ="safe").load(
        VARIABLE.sub(fill, FILE.read_text(encoding="utf-8"))
    )
    return told


def wanted() -> set[str]:
    """Return the variables that must be set."""
    text = FILE.read_text(encoding="utf-8")
    return {name for name, how, _ in VARIABLE.findall(text) if how == "?"}


def lines_of_image() -> list[str]:
    """Return the Dockerfile's instructions, each on a line of its own."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    return re.sub(r"\\\n\s*", "", text).splitlines()
