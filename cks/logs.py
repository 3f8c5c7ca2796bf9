"""How all our programs log: one line per event, with the ids of what it is about.

Modules log through ``logging``; so do aiohttp, Temporal's SDK and SQLAlchemy, and one handler here
formats it all.  Code that begins something binds its ids (``bind``): they then appear in every line
that is logged about it, by whatever code.

Tokens, passwords in URLs and the rows that PostgreSQL quotes in errors are removed from every line,
wherever they came from; bodies are never logged at all.
"""

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

import structlog
from structlog.contextvars import (
    bind_contextvars,
    bound_contextvars,
    clear_contextvars,
    merge_contextvars,
)
from structlog.typing import EventDict, Processor
from temporalio import activity, workflow

from cks.domain.instants import rfc3339

TOKEN = re.compile(r"cks_[0-9A-Za-z]{40,}")
PASSWORD = re.compile(r"(://[^:/@\s]*):[^@/\s]+@")
ROW = re.compile(r"^(DETAIL|\[parameters): .*$", re.MULTILINE)
SUSPECT = re.compile(r"cks_|://|DETAIL|\[parameters")
OUR_FIELDS = ("method", "route", "status", "milliseconds")
OF_A_RUN = ("workflow_id", "run_id", "workflow_type")


class Format(StrEnum):
    """``json``: one object per line; ``console``: for people to read."""

    JSON = "json"
    CONSOLE = "console"


class Level(StrEnum):
    """The lowest level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class HasOperation(Protocol):
    """Anything that names a tenant's operation."""

    @property
    def tenant_id(self) -> object: ...
    @property
    def id(self) -> object: ...


def configure(level: Level, form: Format) -> None:
    """Send every line of this process to standard error; called once, at its start."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(form))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Nobody reads these fields of a record, and collecting each costs time.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # The SDK would repeat in each message what our fields contain.
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False


def begin(**ids: object) -> None:
    """Forget the ids that were bound before, and bind these."""
    clear_contextvars()
    bind(**ids)


def bind(**ids: object) -> None:
    """Add ids to all that this task logs from now on; ``None`` is left out.

    Ids that are bound in a task of its own, such as an activity's, end with it.
    """
    bind_contextvars(**{name: str(one) for name, one in ids.items() if one is not None})


def bind_operation(ref: HasOperation) -> None:
    """Bind the ids of the operation that the task is about."""
    bind(tenant_id=ref.tenant_id, operation_id=ref.id)


@contextmanager
def bound(ref: HasOperation, workflow_id: str) -> Iterator[None]:
    """Bind the ids of an operation and its run for the length of the block."""
    ids = {"tenant_id": str(ref.tenant_id), "operation_id": str(ref.id)}
    with bound_contextvars(workflow_id=workflow_id, **ids):
        yield


def scrub(text: str) -> str:
    """Return the text without what no log may contain."""
    if not SUSPECT.search(text):
        return text
    text = PASSWORD.sub(r"\1:…@", TOKEN.sub("cks_…", text))
    return ROW.sub(r"\1: …", text)


class Lines(logging.Formatter):
    """Renders a record of any library, with the ids that the task has bound.

    structlog's own formatter for ``logging`` copies each record, at twice the cost.
    """

    def __init__(self, form: Format) -> None:
        super().__init__()
        self._render: Processor = (
            structlog.processors.JSONRenderer(serializer=_text)
            if form is Format.JSON
            else structlog.dev.ConsoleRenderer(colors=False)
        )

    def format(self, record: logging.LogRecord) -> str:
        said = record.__dict__
        run = said.get("temporal_workflow") or {}
        line: EventDict = {
            "timestamp": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": scrub(record.getMessage()),
            **{name: said[name] for name in OUR_FIELDS if name in said},
            **{name: run[name] for name in OF_A_RUN if name in run},
        }
        line = merge_contextvars(None, "", line)
        if record.exc_info:
            line["exception"] = scrub(self.formatException(record.exc_info))
        return str(self._render(None, "", line))


_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


def _text(line: EventDict, **_: object) -> str:
    """Write a line as JSON; made once, an encoder costs a third of what ``json.dumps`` does."""
    return _encode(line)
