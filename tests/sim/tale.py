"""One operation in a history: its runs, and the attempts that nobody waits for any more.

A tale is the ``Engine`` of its operation too: it starts, cancels, ends and describes runs.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from activities.node_pools import NodePools
from activities.operations import Operations
from activities.ownership import Ownership
from activities.provisioning import Provisioning
from activities.steps import Steps, StepTiming
from activities.sweeping import Sweeping
from api.background.deadline_keeper import DeadlineKeeper
from api.background.orphan_sweeps import sweep_id
from api.background.reconciler import Reconciler
from api.background.relay import Relay
from cks.domain.registry import TYPES
from cks.temporal.engine import EngineAway, Launch, Run
from tests.sim.far_side import FarSide
from tests.sim.gates import DONE, Attempt
from tests.sim.played_temporal import Execution, Methods, Pending
from tests.sim.stage import DispatchOfOne, Stage
from worker import WORKFLOWS
from workflows.sweep_orphans import SweepOrphans

COMPLETED = "complete_workflow_execution"
BUDGET_SECONDS = 1800.0
BEFORE, AFTER, LOST = "before the effect", "after it", "reply lost"
START, END = "the start", "the end"
MAKING = (
    "create_network",
    "create_control_plane",
    "create_node_pool",
    "install_add_ons",
    "update_node_pool",
)
UNMAKING = ("delete_node_pool", "delete_control_plane", "delete_network", "restore_node_pool")
ENSURING = (*MAKING, "restore_node_pool")
OF_UPDATES = ("update_node_pool", "restore_node_pool")
"""The activities of ``node_pool.update`` alone."""
OF_ALL = ("turn_back", "settle_operation")
BACK = ("turn_back", *UNMAKING)
STEPS = (*MAKING, "verify_cluster", "turn_back", *UNMAKING, "settle_operation", "sweep_orphan")
REPAIRS = ("operations.engine_lost", "operations.run_restarted", "operations.deadline_passed")
Scene = list[tuple[Pending | None, str, str]]


class RelayDied(Exception):  # noqa: N818
    """Whoever calls Temporal dies in the act."""


class Tale:
    def __init__(self, letter: str, operation: Any, tell: Callable[[str], None]) -> None:
        self.letter, self.id = letter, UUID(operation["id"])
        self.cluster_id = UUID(operation["cluster_id"])
        self.resource_id = UUID(operation["resource_id"])
        self.request = operation["request"]
        self.kind = TYPES[operation["type"]]
        self.tell: Callable[[str], None] = lambda line: tell(f"{letter}: {line}")
        self.runs: list[Execution] = []
        self.sweeps: list[Execution] = []
        self.count = self.sweep_count = 0
        self.zombies: list[Attempt] = []
        self.effected: set[tuple[str, bytes]] = set()
        self.cancelled: dict[str, bool] = {}
        self.cancel_wanted = self.cancel_due = self.operator_cancelled = False
        self.away = 0
        self.hesitates = self.dying = False
        self.start_lost = self.hasty = self.over = self.paused = False
        self.struck: list[str] = []
        self.repairs_expected = dict.fromkeys(REPAIRS, 0)

    def equip(self, stage: Stage, far_side: FarSide) -> None:
        """Wire everything as worker and API do, for this operation alone."""
        ownership = Ownership(stage.database, self)
        steps = Steps(ownership, far_side, StepTiming(0, BUDGET_SECONDS))
        sweeping = Sweeping(stage.database, steps)
        owners = (
            Operations(ownership),
            Provisioning(steps, far_side),
            NodePools(steps, far_side),
            sweeping,
        )
        self.methods: Methods = {
            name: getattr(owner, name) for owner in owners for name in dir(owner)
        }
        dispatch = DispatchOfOne(stage.dispatch, self.id)
        self.relay = Relay(stage.database, dispatch, self)
        self.reconciler = Reconciler(stage.database, dispatch, self)
        self.keeper = DeadlineKeeper(stage.database, dispatch)

    async def start(self, launch: Launch, *, again: bool) -> None:
        late = self._absent()
        runs = self._runs_of(launch.workflow_id)
        if not runs or (again and runs[-1].closed):
            run = self.new_run(launch.workflow_id)
            self.tell(f"{run.id} starts")
            runs.append(run)
            run.begin(launch.input)
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

    async def terminate(self, workflow_id: str, reason: str) -> None:
        for run in self._runs_of(workflow_id)[-1:]:
            if not run.closed:
                self.tell(f"{run.id} is ended: {reason}")
                self.forget(run)

    async def latest_run(self, workflow_id: str) -> Run | None:
        self._absent()()
        runs = self._runs_of(workflow_id)
        if not runs:
            return None
        completed = runs[-1].ending == COMPLETED
        return Run(runs[-1].id, runs[-1].closed, completed)

    def _runs_of(self, workflow_id: str) -> list[Execution]:
        return self.sweeps if workflow_id == sweep_id(self.id) else self.runs

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
    def open_runs(self) -> list[Execution]:
        return [run for runs in (self.runs, self.sweeps) for run in runs[-1:] if not run.closed]

    @property
    def at_work(self) -> bool:
        """Say whether an open run may move."""
        return bool(self.open_runs) and not (self.paused and self.running)

    @property
    def front(self) -> list[Execution]:
        """Return the runs of the operation, or of the sweep once there is no other."""
        return self.sweeps if self.sweeps and not self.running else self.runs

    @property
    def pendings(self) -> list[Pending]:
        """Return the activities that open runs wait for."""
        return [pending for run in self.open_runs for pending in run.pending.values()]

    def run_of(self, pending: Pending) -> Execution:
        return next(run for run in self.open_runs if pending in run.pending.values())

    @property
    def settling(self) -> bool:
        """Say whether the run's last activity is out, so that a cancel comes too late."""
        run = self.runs[-1]
        waited_for = [pending.name for pending in run.pending.values()]
        late = [zombie.activity for zombie in self.zombies]
        out = "settle_operation" in (*waited_for, *late)
        return out or (bool(run.held) and not run.pending)

    def new_run(self, workflow_id: str) -> Execution:
        if workflow_id == sweep_id(self.id):
            self.sweep_count += 1
            return Execution(SweepOrphans, workflow_id, f"{self.letter}/sweep-{self.sweep_count}")
        self.count += 1
        definition = next(one for one in WORKFLOWS if one.__name__ == self.kind.workflow)
        return Execution(definition, workflow_id, f"{self.letter}/run-{self.count}")

    def gather_strays(self) -> None:
        for run in (*self.runs, *self.sweeps):
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
        if not self.open_runs:
            return found or [(None, END, AFTER)]
        begun = any(pending.tries for pending in self.pendings)
        if self.count == 1 and self.running and len(self.runs[-1].log) == 1 and not begun:
            found.append((None, START, AFTER))
        return found + [(p, p.name, self.moment(p)) for p in self.pendings]

    @property
    def on_the_way(self) -> bool:
        """Say whether a request that changes something has left, and not arrived."""
        places = [p.attempt.place for p in self.pendings if p.attempt]
        return any(
            place.startswith(("ensure_", "delete_")) for place in places if DONE not in place
        )

    def moment(self, pending: Pending) -> str:
        if pending.attempt and pending.attempt.effected:
            return AFTER
        return LOST if pending.key in self.effected else BEFORE
