"""Which revision of the schema this code needs, for processes that may not migrate."""

from pathlib import Path

VERSIONS = Path(__file__).parent / "migrations" / "versions"


def needed_revision() -> str:
    """Return the newest revision: files begin with theirs (``0015_scopes.py``), in order."""
    return max(path.name for path in VERSIONS.glob("[0-9]*.py")).partition("_")[0]
