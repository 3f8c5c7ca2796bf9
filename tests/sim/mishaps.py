"""What can go wrong at a point of a history.

Each mishap returns the activities that it struck, ``[]`` for the operation as a whole, and
``None`` if it could not be inflicted there.  What is too late is not undone: an attempt that
nobody waits for any more goes on, and takes effect when it likes.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from temporalio import exceptions
from temporalio.exceptions import TimeoutType

from cks.domain.refusals import NoCapacity
from cks.providers.base import Unavailable
from cks.temporal.engine import EngineAway
from tests.sim.gates import BEGIN, COMMITTED, DONE, WentAway
from tests.sim.played_temporal import Execution, Pending
from tests.sim.tale import MAKING, RelayDied, Tale

if TYPE_CHECKING:
    from tests.sim.history import History

Struck = Sequence[Pending] | None
Mishap = Callable[["History", Tale, random.Random], Awaitable[Struck]]
AN_HOUR = 3600.0


def parked(tale: Tale, rng: random.Random, place: Callable[[str], bool] = bool) -> Pending | None:
    """Return an activity of an open run whose attempt waits at such a gate."""
    there = [p for p in tale.pendings if p.attempt and place(p.attempt.place)]
    return rng.choice(there) if there else None


async def strike(
    history: "History",
    tale: Tale,
    pending: Pending | None,
    words: str,
    refused: Exception | None = None,
) -> Struck:
    """Let a request fail at its gate, on whichever side."""
    if pending is None or pending.attempt is None:
        return None
    own = pending.attempt.place in (BEGIN, COMMITTED)
    error = refused or (WentAway(words) if own else Unavailable(words))
    await history.work(tale, error, pending)
    return [pending]


async def error(history: "History", tale: Tale, rng: random.Random) -> Struck:
    """A request does not arrive."""
    at = parked(tale, rng, lambda p: p != COMMITTED and not p.endswith(DONE))
    return await strike(history, tale, at, "error")


async def lost_reply(history: "History", tale: Tale, rng: random.Random) -> Struck:
    """A request arrives, and its reply does not."""
    at = parked(tale, rng, lambda p: p == COMMITTED or p.endswith(DONE))
    return await strike(history, tale, at, "lost reply")


async def no_room(history: "History", tale: Tale, rng: random.Random) -> Struck:
    """The provider refuses to make this now."""
    at = parked(tale, rng, lambda p: p.startswith("ensure_") and not p.endswith(DONE))
    return await strike(history, tale, at, "no room", NoCapacity("no room"))


async def fails_for_good(history: "History", tale: Tale, rng: random.Random) -> Struck:
    """From now on the provider never again makes anything of this kind for this cluster."""
    at = parked(tale, rng, lambda p: p.startswith("ensure_") and not p.endswith(DONE))
    if at is None or at.attempt is None or at.name not in MAKING:
        return None
    tale.tell(f"{at.name} fails for good")
    history.far_side.dead.add((at.name, tale.cluster_id))
    for other in history.tales:  # what goes on beside it asks the same cluster for the same thing
        if other is not tale and other.cluster_id == tale.cluster_id:
            other.struck.append("fails_for_good")
    return [at]


def time_out(tale: Tale, pending: Pending, kind: TimeoutType) -> None:
    """Let the server give an attempt up; the attempt does not know."""
    tale.tell(f"{pending.name} times out: {kind.name}")
    if pending.attempt:
        tale.zombies.append(pending.attempt)
    late = exceptions.TimeoutError("late", type=kind, last_heartbeat_details=[])
    run = tale.run_of(pending)
    if kind is TimeoutType.SCHEDULE_TO_CLOSE and pending.has_deadline:
        pending.attempt = None
        run.resolve(pending, late)
    else:
        run.fail(pending, late)


async def timeout(_: "History", tale: Tale, rng: random.Random) -> Struck:
    """An attempt hangs, or its worker does, until the server gives it up."""
    pending = parked(tale, rng)
    if pending:
        time_out(tale, pending, TimeoutType.HEARTBEAT)
    return [pending] if pending else None


async def deadline(_: "History", tale: Tale, rng: random.Random) -> Struck:
    """A step's time is up, wherever it is."""
    there = [pending for pending in tale.pendings if pending.has_deadline]
    if not there:
        return None
    pending = rng.choice(there)
    time_out(tale, pending, TimeoutType.SCHEDULE_TO_CLOSE)
    return [pending]


async def cancel(history: "History", tale: Tale, rng: random.Random) -> Struck:
    """The tenant wants it to end, sometimes says so twice at once, and may come too late."""
    if tale.cancel_wanted:
        return None
    times = rng.choice((1, 1, 2))
    accepted = await asyncio.gather(*(history.tenant.cancel(tale.id) for _ in range(times)))
    tale.tell(f"the tenant cancels: {accepted}")
    tale.cancel_wanted = any(accepted)
    return [] if tale.cancel_wanted else None


async def operator_cancel(_: "History", tale: Tale, __: random.Random) -> Struck:
    """An operator asks the run to end, without a word to the tenant's row."""
    if tale.front is tale.sweeps:
        return _cancel_sweep(tale)
    if not tale.running or tale.runs[-1].id in tale.cancelled:
        return None
    tale.operator_cancelled = True
    tale.deliver_cancel()
    return []


def _cancel_sweep(tale: Tale) -> Struck:
    if not tale.open_runs or tale.sweeps[-1].id in tale.cancelled:
        return None
    tale.tell("the sweep is cancelled")
    tale.cancelled[tale.sweeps[-1].id] = True
    tale.sweeps[-1].cancel()
    return []


async def second_cancel(_: "History", tale: Tale, __: random.Random) -> Struck:
    """No server delivers one today; that it would do no harm costs us one loop."""
    if not tale.open_runs or tale.front[-1].id not in tale.cancelled:
        return None
    tale.tell("a second cancel is delivered")
    tale.front[-1].cancel()
    return []


async def worker_death(_: "History", tale: Tale, __: random.Random) -> Struck:
    """Another worker replays the run; what was in flight may still arrive."""
    if not tale.open_runs:
        return None
    old = tale.front[-1]
    tale.tell(f"the worker of {old.id} dies")
    new = Execution(old.definition, old.workflow_id, old.id)
    new.replay(old, len(old.log))
    new.held = old.held
    for job in old.held:
        new.pending.pop(job.resolve_activity.seq, None)
    for seq, pending in old.pending.items():
        new.pending[seq].tries = pending.tries
    tale.forget(old)
    tale.front[-1] = new
    return []


async def terminate(_: "History", tale: Tale, __: random.Random) -> Struck:
    """An operator ends the run, which is told nothing."""
    if not tale.open_runs:
        return None
    tale.repairs_expected["operations.engine_lost"] += tale.running
    await tale.terminate(tale.front[-1].workflow_id, "an operator")
    return []


async def reset(_: "History", tale: Tale, rng: random.Random) -> Struck:
    """Another run takes over at an earlier point; the old one's attempts live."""
    runs = tale.front
    if not runs or not runs[-1].log:
        return None
    old = runs[-1]
    length = rng.randint(0, len(old.log))
    new = tale.new_run(old.workflow_id)
    new.replay(old, length)
    if not length:
        new.held = [job for job in old.log[0][0].jobs if job.HasField("initialize_workflow")]
    if new.closed:
        return None
    tale.tell(f"{old.id} is reset to point {length} as {new.id}")
    tale.forget(old)
    runs.append(new)
    return []


async def store_loss(_: "History", tale: Tale, __: random.Random) -> Struck:
    """Temporal forgets that there ever was a run."""
    if not tale.runs:
        return None
    tale.tell("Temporal's store is lost")
    for runs in (tale.runs, tale.sweeps):
        for run in runs[-1:]:
            tale.forget(run)
        runs.clear()
    tale.repairs_expected["operations.run_restarted"] += 1
    return []


async def relay_death(history: "History", tale: Tale, rng: random.Random) -> Struck:
    """The relay dies: just before it asks Temporal, or before it can write that down."""
    if tale.runs and not tale.start_lost and not tale.cancel_wanted:
        return None
    before = tale.count
    if rng.random() < 0.5:
        tale.tell("the relay dies before its call")
        await _dying(tale)
        return []
    tale.tell("the relay dies before its commit")
    with history.stage.database.dooming(history.tenant.founded.tenant_id, commits=1):
        try:
            await tale.relay.relay()
        except EngineAway:
            return []
    tale.start_lost |= tale.count > before
    return []


async def _dying(tale: Tale) -> None:
    tale.dying = True
    try:
        await tale.relay.relay()
    except RelayDied:
        return
    finally:
        tale.dying = False


async def temporal_away(_: "History", tale: Tale, rng: random.Random) -> Struck:
    """The next calls to Temporal fail, some of them after they took effect."""
    if tale.away:
        return None
    tale.away = rng.randint(1, 3)
    return []


async def reconciler(history: "History", tale: Tale, __: random.Random) -> Struck:
    """The reconciler comes just now, twice."""
    await history.reconcile(tale)
    await history.reconcile(tale)
    return []


async def clock_jump(history: "History", tale: Tale, __: random.Random) -> Struck:
    """It is an hour later at once, for the rows and for the cloud."""
    tale.tell("an hour passes")
    history.far_side.now += AN_HOUR
    tale.repairs_expected["operations.deadline_passed"] = 1
    await history.stage.age(tale.id)
    await history.stage.age_deadlines(tale.id)
    return []


async def time_up(history: "History", tale: Tale, rng: random.Random) -> Struck:
    """The operation's time is up: to go forward, or in all."""
    hours = 4 if tale.paused else rng.choice((2, 4))
    tale.tell(f"{hours} hours of its time are gone")
    tale.repairs_expected["operations.deadline_passed"] = 1
    for _ in range(hours):
        await history.stage.age_deadlines(tale.id)
    return []


async def paused_for_good(history: "History", tale: Tale, rng: random.Random) -> Struck:
    """An operator pauses the run and forgets it, until the operation's time is up."""
    if not tale.running or tale.paused or not await history.tenant.is_live(tale.id):
        return None
    tale.tell("the run is paused, and forgotten")
    tale.paused = True
    return await time_up(history, tale, rng)


MISHAPS: Sequence[Mishap] = (
    error,
    lost_reply,
    no_room,
    fails_for_good,
    timeout,
    deadline,
    cancel,
    operator_cancel,
    second_cancel,
    worker_death,
    terminate,
    reset,
    store_loss,
    relay_death,
    temporal_away,
    reconciler,
    clock_jump,
    time_up,
    paused_for_good,
)
OPENERS: Sequence[Mishap] = (fails_for_good, deadline, cancel, operator_cancel, terminate)
"""What sends an operation back."""
EARLY: Sequence[Mishap] = (cancel, relay_death, temporal_away, reconciler, clock_jump, time_up)
"""What can befall an operation before it has a run."""
