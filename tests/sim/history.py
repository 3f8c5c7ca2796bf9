"""A history that no one would think of, told by a seed.

The real workflow, activities, relay, reconciler and API run on a real PostgreSQL, while
``played_temporal`` plays the server.  The seed chooses whose attempt goes on, what is lost on
the way, when the tenant cancels, a worker dies, an operator terminates or resets; afterwards
the invariants must hold.  A seed is a history, so it replays; ``only`` leaves out mishaps.
"""

import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from temporalio import exceptions
from temporalio.exceptions import TimeoutType

from cks.db.admin.tenants import Founded
from cks.temporal.engine import EngineAway
from tests.sim import mishaps
from tests.sim.aims import next_mishap
from tests.sim.cells import AIMS, NAMED, Cell
from tests.sim.far_side import FarSide
from tests.sim.gates import Broken
from tests.sim.invariants import check
from tests.sim.played_temporal import Execution, Pending
from tests.sim.stage import Stage
from tests.sim.tale import BACK, END, OF_ALL, OF_UPDATES, START, STEPS, Tale
from tests.sim.tenant import Order, Tenant, Update, Wanted, some_order

MOST_MOVES = 450
MOST_GATES = 60
MOST_PUSHES = 8
AIMED = 7
"""Of ten histories."""
CREATING = ("one", "one", "one", "one", "two", "again")
UPDATING = ("update", "update", "updates")


class History:
    """``draws`` counts the mishaps that were drawn; ``inflicted`` says which struck."""

    def __init__(
        self, seed: int, stage: Stage, lane: Founded, only: Collection[int] | None = None
    ) -> None:
        self.seed, self.stage, self.only = seed, stage, only
        self.rng = random.Random(seed)  # noqa: S311  (to be foreseen)
        self.tenant = Tenant(stage, lane)
        self.budget = self.rng.choice((0, 1, 2, 3, 4, 6, 9))
        # Few kinds of mishap, or very late ones, find more than an even mixture.
        most = len(mishaps.MISHAPS)
        self.menu = self.rng.sample(mishaps.MISHAPS, self.rng.choice((2, 3, 3, 4, most)))
        # And where they strike matters: some steps are over in two moves.
        self.focus = self.rng.choice((*[None] * 12, START, *STEPS, END))
        # Most aim at a cell of the table, each in its turn; the others go where they like.
        self.aim = AIMS[seed * 7 // 10 % len(AIMS)] if seed % 10 < AIMED else None
        self.keen = self.rng.choice((0.3, 0.9, 0.9))
        self.budget = min(self.budget, 2) if self.aim else self.budget
        self.pushes = MOST_PUSHES
        self.haste = self.rng.choice((0.0, 0.3, 0.4))
        self.hurry = self.rng.choice((0.0, 0.0, 0.4))
        self.draws = 0
        self.inflicted: list[tuple[int, str]] = []
        self.cells: Counter[tuple[str, str, str]] = Counter()
        self.told: list[str] = []
        self.broken = ""
        self.tales: list[Tale] = []
        self.deleted: set[UUID] = set()
        self.moves = 0
        self.far_side = FarSide(self._notice)

    def tell(self, line: str) -> None:
        self.told.append(line)

    async def _notice(self, cluster_id: UUID) -> None:
        """Let an hour pass for the operation whose calls fail for good."""
        for tale in self.tales:
            if tale.cluster_id == cluster_id:
                await self.stage.age(tale.id)

    async def play(self) -> "History":
        """Tell the story, and remember what was broken in it."""
        try:
            await self._play()
            await check(self)
        except Broken as broken:
            self.broken = str(broken)
        for tale in self.tales:
            for run in (*tale.runs, *tale.sweeps):
                tale.forget(run)
            for attempt in tale.zombies:
                await attempt.end()
        await self.far_side.close()
        return self

    async def _play(self) -> None:
        shape = self.rng.choice(self._shapes())
        wanted = some_order(self.rng)
        if shape in UPDATING:
            await self._begin_with_updates(wanted, 2 if shape == "updates" else 1)
        else:
            await self._accept(wanted)
        second_at = self.rng.randrange(30) if shape == "two" else None
        for move in range(MOST_MOVES):
            self.moves = move
            if move == second_at:
                await self._accept(some_order(self.rng))
            open_tales = [tale for tale in self.tales if not tale.over]
            if open_tales:
                await self._move(self.rng.choice(open_tales))
            elif len(self.tales) == 1 and second_at and move < second_at:
                continue
            elif shape == "again" and await self._deleted(self.tales[0]):
                await self._accept(wanted)
                shape = "one"
            else:
                break
        else:
            raise Broken("no end in sight")
        for tale in self.tales:
            while tale.zombies:
                await self._haunt(tale)

    def _shapes(self) -> Sequence[str]:
        """Return the shapes in which the aim can be met; where there is none, all."""
        step = self.aim[0] if self.aim else START
        if step in OF_UPDATES:
            return UPDATING
        anywhere = step in (START, END, *OF_ALL)
        return (*CREATING, *UPDATING) if anywhere else CREATING

    async def _begin_with_updates(self, wanted: Order, most: int) -> None:
        """Make a cluster while nothing befalls it; then change pools of it, side by side."""
        made = await self._accept(wanted)
        while not made.over:
            if made.at_work:
                await self.work(made)
            else:
                await self.tick(made)
                made.over = bool(made.count) and await self.tenant.is_over(made.id)
        for number in range(min(most, len(wanted.sizes))):
            await self._accept(Update(made.cluster_id, f"p{number}", uuid4().hex))

    async def _accept(self, wanted: Wanted) -> Tale:
        """Ask for something; the API may die, and the tenant ask again, or twice at once."""
        wanted = replace(wanted, key=uuid4().hex)
        if self.rng.random() < 0.1:
            self.tell("a request is made, and the API dies")
            await self.tenant.ask_in_vain(wanted)
        for times in self.rng.choice(((1,), (1,), (1,), (1, 1), (2,))):
            said = await self.tenant.ask(wanted, times)
        letter = chr(ord("A") + len(self.tales))
        self.tell(f"{letter}: {said['type']}, {wanted.words}")
        tale = Tale(letter, said, self.tell)
        tale.hesitates = bool(self.hurry)
        tale.equip(self.stage, self.far_side)
        self.tales.append(tale)
        return tale

    async def _deleted(self, tale: Tale) -> bool:
        """Delete the cluster of a tale that is over, if it can be."""
        gone = await self.tenant.delete(tale.cluster_id)
        if gone:
            self.tell(f"{tale.letter}: the failed cluster is deleted")
            self.deleted.add(tale.cluster_id)
        return gone

    async def _move(self, tale: Tale) -> None:
        """Make one move in a tale."""
        chance = self.rng.random()
        tale.gather_strays()
        if self.aim and self.pushes and await self._steer(tale, self.aim):
            return
        if chance < self._menace(tale) and await self._mishap(tale):
            return
        if tale.zombies and chance < self.haste:
            await self._haunt(tale)
        elif not tale.count or (tale.cancel_wanted and chance < 0.4):
            await (self.reconcile if chance > 0.9 else self.tick)(tale)
            tale.over = not tale.count and await self.tenant.is_over(tale.id)
        elif tale.at_work:
            await self.work(tale)
        else:
            await (self.tick if chance < 0.5 else self.reconcile)(tale)
            tale.over = not tale.open_runs and await self.tenant.is_over(tale.id)

    def _menace(self, tale: Tale) -> float:
        """Say how likely a mishap is just here."""
        if self.focus is None:
            return 0.4 if tale.on_the_way else 0.15
        if any(step == self.focus for _, step, _ in tale.scene()):
            return 0.6
        return 0.08 if self._opening else 0.01

    def _menu(self, tale: Tale) -> Sequence[mishaps.Mishap]:
        if not tale.count:
            return mishaps.EARLY
        return mishaps.OPENERS if self._opening else self.menu

    @property
    def _opening(self) -> bool:
        """Say whether something must send the operation back, to where mishaps are wanted."""
        return self.focus in BACK and not self.inflicted

    async def _mishap(self, tale: Tale) -> bool:
        """Draw a mishap, and inflict it if it is wanted and possible."""
        kind = self.rng.choice(self._menu(tale))
        return await self._inflict(tale, kind, within=len(self.inflicted) < self.budget)

    async def _steer(self, tale: Tale, aim: Cell) -> bool:
        """Bring the history nearer to where it is to be struck, now and then by a mishap."""
        kind = next_mishap(tale, aim, self.rng)
        if kind is None or self.rng.random() > self.keen:
            return False
        struck = await self._inflict(tale, NAMED[kind], within=True)
        self.pushes -= struck
        if self.cells[aim]:
            self.aim = self.rng.choice(AIMS)
        return struck

    async def _inflict(self, tale: Tale, kind: mishaps.Mishap, *, within: bool) -> bool:
        number = self.draws
        self.draws += 1
        if not (within if self.only is None else number in self.only):
            return False
        scene = tale.scene()
        own = random.Random(self.seed * 1000 + number)  # noqa: S311  (likewise)
        struck = await kind(self, tale, own)
        if struck is None:
            return False
        name = kind.__name__
        self.inflicted.append((number, name))
        tale.struck.append(name)
        for pending, step, moment in scene:
            if not struck or pending in struck:
                self.cells[step, moment, name] += 1
        return True

    async def tick(self, tale: Tale) -> None:
        """Let the relay look once."""
        due = tale.cancel_wanted and tale.running and not tale.settling and not tale.away
        due = due and await self.tenant.is_live(tale.id)
        try:
            await tale.relay.relay()
        except EngineAway:
            tale.tell("Temporal is away")
            return
        tale.cancel_due |= due
        tale.start_lost = False

    async def reconcile(self, tale: Tale) -> None:
        """Let the reconciler look once, at everything."""
        before = tale.count, tale.sweep_count
        await tale.keeper.keep()
        try:
            await tale.reconciler.reconcile(quiet_seconds=0)
            await tale.reconciler.end_survivors(settling_seconds=0)
        except EngineAway:
            tale.tell("Temporal is away")
        if (tale.count, tale.sweep_count) > before:
            tale.tell("the reconciler has started a run")

    async def work(
        self, tale: Tale, error: Exception | None = None, only: Pending | None = None
    ) -> None:
        """Let a pending activity take its next step, or meet an error at its gate."""
        able = [run for run in tale.open_runs if not (tale.paused and run in tale.runs)]
        run = tale.run_of(only) if only else self.rng.choice(able)
        if run.held and (not run.pending or self.rng.random() < 0.3):
            run.flush()
            return
        pending = only or self.rng.choice(list(run.pending.values()))
        attempt = pending.attempt
        if attempt is None and pending.cancelling:
            tale.tell(f"{run.id} {pending.name} never starts")
            run.resolve(pending, exceptions.CancelledError("never started"))
        elif attempt is None:
            tale.tell(f"{run.id} {pending.name} is tried")
            await run.try_activity(pending, tale.methods)
        elif len(attempt.passed) > MOST_GATES:
            mishaps.time_out(tale, pending, TimeoutType.SCHEDULE_TO_CLOSE)
        elif pending.hears_cancel and self.rng.random() < 0.5:
            tale.tell(f"{run.id} {pending.name} hears of the cancel at {attempt.place!r}")
            await attempt.cancel()
        else:
            tale.tell(f"{run.id} {pending.name} passes {attempt.place!r} {error or ''}")
            await attempt.go_on(error)
        self.report(tale, run, pending)
        if run.closed:
            tale.tell(f"{run.id} ends: {run.ending}")
            tale.forget(run)

    def report(self, tale: Tale, run: Execution, pending: Pending) -> None:
        """Tell the server how an attempt ended, if it has."""
        attempt = pending.attempt
        if attempt is None:
            return
        if attempt.effected:
            tale.effected.add(pending.key)
        if attempt.over:
            outcome = attempt.outcome()
            tale.tell(f"{run.id} {pending.name} ends: {outcome!r}")
            later = self.rng.random() < self.hurry and bool(run.pending)
            if isinstance(outcome, BaseException):
                run.fail(pending, outcome, later=later)
            else:
                run.resolve(pending, outcome, later=later)

    async def _haunt(self, tale: Tale) -> None:
        """Let an attempt that nobody waits for take its next step, too late."""
        zombie = self.rng.choice(tale.zombies)
        tale.tell(f"a late {zombie.activity} passes {zombie.place!r}")
        watching = zombie.place == "observe" and self.rng.random() < 0.5
        if watching or len(zombie.passed) > MOST_GATES:
            await zombie.cancel()  # its heartbeat is told that nobody waits for it
        else:
            await zombie.go_on()
        if zombie.over:
            tale.tell(f"a late {zombie.activity} ends: {zombie.outcome()!r}")
            tale.zombies.remove(zombie)
