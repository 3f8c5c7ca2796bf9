"""What an operation of a type does to the rows of its resource when it begins and when it ends."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cks.db.session import Session
from cks.domain.operations.state import OperationState

Write = Callable[[Session, OperationState], Awaitable[None]]
Take = Callable[[Session, OperationState], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Effects:
    """Each runs in the transaction in which the operation itself is written.

    ``take``: a run has taken it; return whether who asked for it still may (``STILL_MAY`` in
    ``cks/db/access/decisions.py``), else what it wrote is not to be committed.  ``complete``: all
    of its steps are done.  ``fail``: it turned back, and ends as ``operation.ending`` says.
    ``hold``: it failed and keeps what it made; ``None``: what it made is never kept so.
    """

    take: Take
    complete: Write
    fail: Write
    hold: Write | None = None
