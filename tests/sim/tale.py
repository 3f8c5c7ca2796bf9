"""One operation in a history: its runs, and the attempts that nobody waits for any more.

A tale is the ``Engine`` of its operation too: it starts, cancels, ends and describes runs.
"""

from collections.abc import Callable
from uuid import UUID

from activities.operations import Operations
from activities.ownership import Ownership
from activities.provisioning import Provisioning
from activities.steps import Pace, Steps
from api.reconcile import Reconciler
from api.relay import Relay
from cks.engine import EngineAway, Launch, Run
from tests.sim.far_side import FarSide
from tests.sim.gates import DONE, Attempt
from tests.sim.played_temporal import Execution, Methods, Pending
from tests.sim.stage import DispatchOfOne, Stage
from workflows.provision_cluster import ProvisionCluster

BUDGET_SECONDS = 1800.0
BEFORE, AFTER, LOST = "before the effect", "after it", "reply lost"
START, END = "the start", "the end"
MAKING = ("create_network", "create_control_plane", "create_node_pool", "install_add_ons")
UNMAKING = ("delete_node_pool", "delete_control_plane", "delete_network")
BACK = ("turn_back", *UNMAKING)
STEPS = (*MAKING, "verify_cluster", "turn_back", *UNMAKING, "settle_operation")
Scene = list[tuple[Pending | None, str, str]]


class RelayDied(Exception):  # noqa: N818
    """Whoever calls Temporal dies in the act."""


class Tale:
    def __init__(
        self, letter: str, operation_id: UUID, cluster_id: UUID, tell: Callable[[str], None]
    ) -> None:
        self.letter, self.id, self.cluster_id = letter, operation_id, cluster_id
        self.tell: Callable[[str], None] = lambda line: tell(f"{letter}: {line}")
        self.runs: list[Execution] = []
        self.count = 0
        self.zombies: list[Attempt] = []
        self.effected: set[tuple[str, bytes]] = set()
        self.cancelled: dict[str, bool] = {}
        self.cancel_wanted = self.cancel_due = self.operator_cancelled = False
        self.away = 0
        self.hesitates = self.dying = False
        self.start_lost = self.hasty = self.over = False
        self.struck: list[str] = []
        self.repairs_expected = {"operations.engine_lost": 0, "operations.run_restarted": 0}

    def equip(self, stage: Stage, far_side: FarSide) -> None:
        """Wire everything as worker and API do, for this operation alone."""
        ownership = Ownership(stage.database, self)
        steps = Steps(ownership, far_side, Pace(0, BUDGET_SECONDS))
        owners = (Operations(ownership), Provisioning(steps, far_side))
        self.methods: Methods = {
            name: getattr(owner, name) for owner in owners for name in dir(owner)
        }
        dispatch = DispatchOfOne(stage.dispatch, self.id)
        self.relay = Relay(stage.database, dispatch, self)
        self.reconciler = Reconciler(stage.database, dispatch, self)

    async def start(self, launch: Launch, *, again: bool) -> None:
        late = self._absent()
        if not self.runs or (again and not self.running):
            run = self.new_run(launch.workflow_id)
            self.tell(f"{run.id} starts")
            self.runs.append(run)
            run.begin(launch.order)
            if not self.hesitates:
                run.flush()
        late()

    async def cancel(self, _: str) -> None:
        late = self._absent()
        self.deliver_cancel()
        late()

    def deliver_cancel(self) -> None:
        """Deliver a cancel, as the server does: once.  Note whether it was in time."""
        if self.running and self.runs[-1].id not in self.cancelled:
            run = self.runs[-1]
            self.tell(f"the cancel is delivered to {run.id}")
            self.cancelled[run.id] = not self.settling
            run.cancel()

    async def terminate(self, _: str, reason: str) -> None:
        if self.running:
            self.tell(f"{self.runs[-1].id} is ended: {reason}")
            self.forget(self.runs[-1])

    async def latest_run(self, _: str) -> Run | None:
        self._absent()()
        return Run(self.runs[-1].id, self.runs[-1].closed) if self.runs else None

    def _absent(self) -> Callable[[], None]:
        """Be away, if it is time to: at once, or at the end of the call."""
        if self.dying:
            raise RelayDied
        if not self.away:
            return lambda: None
        self.away -= 1
        if self.away % 2:
            raise EngineAway("played")

        def late() -> None:
            raise EngineAway("played, after the effect")

        return late

    @property
    def running(self) -> bool:
        return bool(self.runs) and not self.runs[-1].closed

    @property
    def settling(self) -> bool:
        """Say whether the run's last activity is out, so that a cancel comes too late."""
        run = self.runs[-1]
        waited_for = [pending.name for pending in run.pending.values()]
        late = [zombie.activity for zombie in self.zombies]
        out = "settle_operation" in (*waited_for, *late)
        return out or (bool(run.held) and not run.pending)

    def new_run(self, workflow_id: str) -> Execution:
        self.count += 1
        return Execution(ProvisionCluster, workflow_id, f"run-{self.count}")

    def gather_strays(self) -> None:
        for run in self.runs:
            self.hasty |= bool(run.strays) or run.hasty
            self.zombies += run.strays
            run.strays.clear()

    def forget(self, run: Execution) -> None:
        """Let go of a run.  Its attempts were not told."""
        attempts = [p.attempt for p in run.pending.values() if p.attempt]
        self.zombies += [attempt for attempt in attempts if not attempt.over]
        run.close()

    def scene(self) -> Scene:
        """Say where the run's activities are, each before or after its effect."""
        if not self.runs and not self.count:
            return [(None, START, BEFORE)]
        found: Scene = [(None, START, LOST)] if self.start_lost else []
        if not self.running:
            return found or [(None, END, AFTER)]
        run = self.runs[-1]
        if self.count == 1 and len(run.log) == 1 and not any(p.tries for p in run.pending.values()):
            found.append((None, START, AFTER))
        return found + [(p, p.name, self.moment(p)) for p in run.pending.values()]

    @property
    def on_the_way(self) -> bool:
        """Say whether a request that changes something has left, and not arrived."""
        pendings = self.runs[-1].pending.values() if self.running else ()
        places = [p.attempt.place for p in pendings if p.attempt]
        return any(
            place.startswith(("ensure_", "delete_")) for place in places if DONE not in place
        )

    def moment(self, pending: Pending) -> str:
        if pending.attempt and pending.attempt.effected:
            return AFTER
        return LOST if pending.key in self.effected else BEFORE
