"""What a developer sees once everything is ready: where it is, and what to paste first."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

CLUSTER = {
    "name": "NAME",
    "node_pools": [
        {
            "name": "default",
            "node_count": 2,
            "min_nodes": 1,
            "max_nodes": 5,
            "instance_type": "m5.large",
            "disk_size": 50,
        }
    ],
}


def environment(exports: Mapping[str, str]) -> str:
    """Return the contents of ``.dev/env``: lines that a shell can source."""
    return "".join(f"export {name}={_quoted(value)}\n" for name, value in exports.items())


def text(exports: Mapping[str, str], folder: Path, database: str) -> str:
    """Return the whole summary; ``database`` says where it is, without a password."""
    where = {
        "API": exports["CKS_API_URL"],
        "reference": f"{exports['CKS_API_URL']}/reference",
        "operators": f"{exports['CKS_OPS_URL']}/readyz",
        "Temporal": exports["TEMPORAL_ADDRESS"],
        "Temporal UI": _runs(exports),
        "simulator": exports["CKS_SIMULATOR_URL"],
        "PostgreSQL": database,
        "variables": f". {shlex.quote(str(folder / 'env'))}",
        "logs": str(folder / "logs"),
    }
    places = "\n".join(f"  {name:<12} {place}" for name, place in where.items())
    return (
        f"Ready. Ctrl-C stops everything; the data stays in {folder}.\n\n{places}\n\n"
        f"Follow what happens in the demo tenant, in another terminal:\n\n  {_follow(exports)}\n\n"
        f"Create a cluster, as its admin, in a third:\n\n  {_create(exports)}\n"
    )


def _runs(exports: Mapping[str, str]) -> str:
    """Return where the UI lists our runs: by itself it opens an empty namespace."""
    if not exports["TEMPORAL_UI_URL"]:
        return "not ours"
    return f"{exports['TEMPORAL_UI_URL']}/namespaces/{exports['TEMPORAL_NAMESPACE']}/workflows"


def _create(exports: Mapping[str, str]) -> str:
    # A new name each time it is pasted, in every shell: not all know $RANDOM.
    body = _quoted(json.dumps(CLUSTER)).replace("NAME", "demo-'$(date +%s)'")
    return (
        f"curl -sS -X POST {exports['CKS_API_URL']}/v1/clusters"
        f" -H 'Authorization: Bearer {exports['CKS_TOKEN']}'"
        f" -H 'Content-Type: application/json' -d {body}"
    )


def _follow(exports: Mapping[str, str]) -> str:
    return (
        f"curl -sSN {exports['CKS_API_URL']}/v1/events"
        f" -H 'Authorization: Bearer {exports['CKS_TOKEN']}'"
    )


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"
