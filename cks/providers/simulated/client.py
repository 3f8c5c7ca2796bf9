"""The simulated cloud as the service sees it, and as its operator does.

Neither keeps anything of the cloud, so both may die at any line.  Whatever goes wrong on the
way, and all that may be otherwise at the next try, is ``Unavailable``.
"""

from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import aiohttp
from pydantic import ValidationError

from cks.domain.refusals import Declined, NoCapacity, ProviderQuota, Superseded
from cks.providers.base import (
    AddonsSpec,
    ControlPlaneSpec,
    NetworkSpec,
    NodePoolSpec,
    Observed,
    Unavailable,
)
from cks.providers.simulated.wire import (
    Call,
    Clusters,
    Code,
    ControlPlaneRemoval,
    FaultOrder,
    Forecast,
    Ledger,
    NetworkRemoval,
    NodePoolRemoval,
    Question,
    form,
)

Answer = TypeVar("Answer")

REFUSALS: dict[Code, tuple[type[Declined], str]] = {
    Code.SUPERSEDED: (Superseded, "Someone else has taken over."),
    Code.NO_CAPACITY: (NoCapacity, "The provider has no room for this now."),
    Code.QUOTA_EXCEEDED: (ProviderQuota, "The provider grants no more of this now."),
}
OURS = frozenset({Code.INVALID, Code.UNKNOWN, Code.NOT_BUILT})


@dataclass(frozen=True, slots=True)
class Refusal:
    code: Code
    message: str


class Line:
    """A way to the cloud: one HTTP session, opened at its first use."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self._url = url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def ask(
        self, method: str, path: str, answer: type[Answer], body: object = None
    ) -> Answer:
        """Return the parsed answer.

        Raise ``Unavailable``, one of ``REFUSALS``, or ``ValueError`` where the call is wrong.
        """
        data = None if body is None else form(type(body)).dump_json(body)
        try:
            session = self._open()
            async with session.request(method, f"{self._url}{path}", data=data) as response:
                status, text = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(
                f"the cloud did not answer: {error or type(error).__name__}"
            ) from error
        if status != 200:  # noqa: PLR2004
            raise _refusal(status, text)
        return form(answer).validate_json(text)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self._session


def _refusal(status: int, text: bytes) -> Exception:
    try:
        refusal = form(Refusal).validate_json(text)
    except ValidationError:
        return Unavailable(f"the cloud answered {status}")
    if refusal.code in REFUSALS:
        refused, words = REFUSALS[refusal.code]
        return refused(words, note=refusal.message)
    return (ValueError if refusal.code in OURS else Unavailable)(refusal.message)


class SimulatedCloud:
    """The provider protocol over HTTP (``cks.providers.base.Provider``)."""

    def __init__(self, url: str, timeout_seconds: float = 10) -> None:
        self._line = Line(url, timeout_seconds)

    async def close(self) -> None:
        await self._line.close()

    async def ensure_network(self, spec: NetworkSpec, fence: int) -> None:
        await self._change(Call.ENSURE_NETWORK, spec, fence)

    async def ensure_control_plane(self, spec: ControlPlaneSpec, fence: int) -> None:
        await self._change(Call.ENSURE_CONTROL_PLANE, spec, fence)

    async def ensure_node_pool(self, spec: NodePoolSpec, fence: int) -> None:
        await self._change(Call.ENSURE_NODE_POOL, spec, fence)

    async def ensure_addons(self, spec: AddonsSpec, fence: int) -> None:
        await self._change(Call.ENSURE_ADDONS, spec, fence)

    async def delete_network(self, cluster_id: UUID, fence: int) -> None:
        await self._change(Call.DELETE_NETWORK, NetworkRemoval(cluster_id), fence)

    async def delete_control_plane(self, cluster_id: UUID, fence: int) -> None:
        await self._change(Call.DELETE_CONTROL_PLANE, ControlPlaneRemoval(cluster_id), fence)

    async def delete_node_pool(self, cluster_id: UUID, pool_id: UUID, fence: int) -> None:
        await self._change(Call.DELETE_NODE_POOL, NodePoolRemoval(cluster_id, pool_id), fence)

    async def observe(self, cluster_id: UUID) -> Observed:
        return await self._line.ask(
            "POST", f"/calls/{Call.OBSERVE}", Observed, Question(cluster_id)
        )

    async def list_clusters(self) -> list[UUID]:
        """Return the clusters of which anything lives; for operators, not for steps."""
        return (await self._line.ask("GET", "/clusters", Clusters)).ids

    async def _change(self, call: Call, change: object, fence: int) -> None:
        await self._line.ask("POST", f"/calls/{call}?fence={fence}", dict[str, str], change)


class OperatorDesk:
    """The cloud's own operator: reads its ledger, orders and clears faults."""

    def __init__(self, url: str, timeout_seconds: float = 10) -> None:
        self._line = Line(url, timeout_seconds)

    async def close(self) -> None:
        await self._line.close()

    async def ledger(self, cluster_id: UUID | None = None) -> Ledger:
        """Return every call and all that lives, or those of one cluster."""
        of_one = f"?cluster={cluster_id}" if cluster_id else ""
        return await self._line.ask("GET", f"/ledger{of_one}", Ledger)

    async def add_fault(self, order: FaultOrder) -> FaultOrder:
        return await self._line.ask("POST", "/faults", FaultOrder, order)

    async def faults(self) -> Forecast:
        return await self._line.ask("GET", "/faults", Forecast)

    async def clear_faults(self) -> Forecast:
        return await self._line.ask("DELETE", "/faults", Forecast)
