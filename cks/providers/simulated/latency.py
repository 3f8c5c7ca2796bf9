"""How long things take: drawn once per resource from a seed, so that a run can be repeated.

The spans are those of managed Kubernetes in the large clouds.  Making takes the whole span,
deleting half; a pool starts ten nodes at a time.  ``speed`` divides everything.
"""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from cks.providers.simulated.wire import Kind

SPANS = {
    Kind.NETWORK: (20, 30),
    Kind.CONTROL_PLANE: (120, 160),
    Kind.ADDONS: (20, 30),
    Kind.NODE: (60, 80),
    Kind.NODE_POOL: (5, 10),
}
"""Kind → shortest and longest seconds from the request until it is ready; of a pool, until its
living nodes have other labels and taints."""

NODES_AT_ONCE, SECONDS_PER_WAVE = 10, 60


@dataclass(frozen=True, slots=True)
class Latency:
    seed: str
    speed: float

    def making(self, kind: Kind, resource_id: UUID, place: int = 0) -> float:
        """Return the seconds until it is ready; ``place`` is a node's place in the queue."""
        wait = place // NODES_AT_ONCE * SECONDS_PER_WAVE
        return (wait + self._draw(kind, resource_id)) / self.speed

    def removing(self, kind: Kind, resource_id: UUID) -> float:
        """Return the seconds until it is gone."""
        return self._draw(kind, resource_id) / 2 / self.speed

    def _draw(self, kind: Kind, resource_id: UUID) -> float:
        digest = hashlib.sha256(f"{self.seed}/{kind}/{resource_id}".encode()).digest()
        shortest, longest = SPANS[kind]
        return shortest + (longest - shortest) * int.from_bytes(digest[:8]) / 2**64
