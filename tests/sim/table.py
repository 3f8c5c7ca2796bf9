"""What befell which step, and when: before its effect, after it, or after its reply was lost."""

from collections import Counter
from collections.abc import Iterable, Iterator

from tests.sim.cells import IMPOSSIBLE, NAMED, ROWS, Cell, every, reason
from tests.sim.history import History


def count(histories: Iterable[History]) -> Counter[Cell]:
    return sum((history.cells for history in histories), Counter[Cell]())


def draw(cells: Counter[Cell]) -> Iterator[str]:
    """Tell the table line by line, and after it what is empty."""
    titles = [name.replace("_", " ").split() for name in NAMED]
    for line in range(2):
        heads = (words[line] if line < len(words) else "" for words in titles)
        yield " " * 39 + "".join(f"{head[:8]:>9}" for head in heads)
    for step, moment in ROWS:
        told = (_entry(cells, (step, moment, name)) for name in NAMED)
        yield f"{step:<21}{moment:<18}" + "".join(f"{entry:>9}" for entry in told)
    yield "· cannot be:"
    yield from (f"  {why}" for why in IMPOSSIBLE)
    empty = [cell for cell in every() if not cells[cell] and not reason(cell)]
    yield f"{len(empty)} cells are empty that need not be" + (":" if empty else ".")
    yield from (f"  {step}, {moment}: {name}" for step, moment, name in empty)
    odd = [cell for cell in cells if cells[cell] and reason(cell)]
    yield from (f"  called impossible, and happened: {cell}" for cell in odd)


def _entry(cells: Counter[Cell], cell: Cell) -> str:
    return str(cells[cell]) if cells[cell] or not reason(cell) else "·"
