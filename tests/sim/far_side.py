"""The cloud, in the test's hands: the simulated cloud's own rules, and the history's clock.

Nothing lies between but gates, so a call may arrive late, or its reply never.  What it made
and refused is kept in order; that and its resources are the oracle.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import UUID

from cks.providers.base import Observed, Unavailable
from cks.providers.simulated import client
from cks.providers.simulated.client import SimulatedCloud
from cks.providers.simulated.cloud import Cloud, Refused, Terms, guarded
from cks.providers.simulated.latency import Latency
from cks.providers.simulated.storage import Resource, Storage
from cks.providers.simulated.wire import Call, Change, Code, Kind, form
from tests.sim.gates import ATTEMPT, DONE, gate

CONFLICT = 409


class Steady(Latency):
    """Everything takes one call's time, and each node one more than the node before it."""

    def making(self, kind: Kind, resource_id: UUID, place: int = 0) -> float:
        del kind, resource_id
        return 1.0 + place

    def removing(self, kind: Kind, resource_id: UUID) -> float:
        del kind, resource_id
        return 1.0


class SteadyTerms(Terms):
    @property
    def latency(self) -> Latency:
        return Steady("", 1)


@dataclass(frozen=True, slots=True)
class Entry:
    """A call that arrived, and what came of it; ``door`` is whose fence it met."""

    call: Call
    guarded: Kind
    kind: Kind
    id: UUID
    fence: int
    effect: str
    run: str
    activity: str

    @property
    def accepted(self) -> bool:
        """Say whether the door stood open, whatever else was in the way."""
        return self.effect != f"refused: {Code.SUPERSEDED}"


class FarSide(SimulatedCloud):
    """``Provider``: the client's own calls and refusals, the cloud's own rules."""

    def __init__(self, notice: Callable[[UUID], Awaitable[None]]) -> None:
        self._storage = Storage(Path(":memory:"))
        self._cloud = Cloud(self._storage, SteadyTerms())
        self._notice = notice
        self.now = 0.0
        self.deeds: list[Entry] = []
        self.dead: set[tuple[str, UUID]] = set()
        """Which activities fail for good, for which clusters."""

    async def close(self) -> None:
        self._storage.close()

    async def observe(self, cluster_id: UUID) -> Observed:
        await gate(Call.OBSERVE)
        self.now += 1
        with self._storage.transaction():
            seen = self._cloud.observe(UUID(int=cluster_id.int), self.now)
        await gate(f"{Call.OBSERVE}{DONE}")
        return seen

    async def _change(self, call: Call, change: object, fence: int) -> None:
        await gate(call)
        kind = form(cast(type[Change], type(change)))
        known = kind.validate_json(kind.dump_json(cast(Change, change)))  # as it crosses the wire
        caller = ATTEMPT.get()
        if caller and (caller.activity, known.cluster_id) in self.dead:
            await self._notice(known.cluster_id)
            raise Unavailable("the cloud fails for good")
        refused = self._carry_out(call, known, fence)
        await gate(f"{call}{DONE}")
        if refused:
            refusal = client.Refusal(refused.code, refused.message)
            answer = form(client.Refusal).dump_json(refusal)
            raise client._refusal(CONFLICT, answer)

    def _carry_out(self, call: Call, change: Change, fence: int) -> Refused | None:
        """Do it, and return a refusal instead of raising it: its fence is to be committed."""
        self.now += 1
        with self._storage.transaction():
            try:
                effect, refused = self._cloud.carry_out(change, fence, self.now), None
            except Refused as error:
                effect, refused = f"refused: {error.code}", error
        guard, own_id = guarded(change)
        kind = Kind.ADDONS if call is Call.ENSURE_ADDONS else guard
        caller = ATTEMPT.get()
        run = caller.environment.info.workflow_run_id if caller else None
        activity = caller.activity if caller else ""
        self.deeds.append(Entry(call, guard, kind, own_id, fence, effect, run or "", activity))
        return refused

    def alive(self) -> list[Resource]:
        """Return all that there is."""
        with self._storage.transaction():
            self._storage.sweep(self.now)
            return self._storage.all()
