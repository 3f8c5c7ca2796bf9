"""What is ordered again and again."""

import json
from collections.abc import Iterator
from itertools import count

from bench import load


def a_cluster(name: str) -> dict[str, object]:
    """Return a cluster of one pool."""
    size = {"node_count": 1, "min_nodes": 1, "max_nodes": 3}
    pool = {"name": "default", "instance_type": "m5.large", "disk_size": 50, **size}
    return {"name": name, "version": "1.35", "node_pools": [pool]}


def posts(path: str, token: str, line: str) -> Iterator[bytes]:
    """Yield orders, each of a cluster with a name of its own."""
    for number in count():
        body = json.dumps(a_cluster(f"c-{line}-{number}")).encode()
        yield load.request("POST", path, token, body)
