"""What stands in a line of the logs, what never does, and what a line costs."""

import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import structlog
from temporalio import activity, workflow

from cks import logs
from cks.domain.operations.lifecycle import OperationRef
from cks.logs import Format, Level, Lines
from tests.support.client import Client

ROUNDS, LINES = 5, 500
PLAIN = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """All that is logged while a test lasts, as it would be written."""
    stream, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines(Format.JSON))
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)
    structlog.contextvars.clear_contextvars()


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def of_access(written: io.StringIO) -> list[dict[str, Any]]:
    return [line for line in lines(written) if line["logger"] == "cks.access"]


def test_a_line_of_anybody_has_the_ids_of_what_it_is_about(written: io.StringIO) -> None:
    ref = OperationRef(uuid4(), uuid4())
    logs.begin(request_id="r1", run_id=None)
    logs.bind_operation(ref)
    logging.getLogger("aiohttp.server").warning("late by %s", 3)
    line = lines(written)[0]
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "aiohttp.server",
        "event": "late by 3",
        "request_id": "r1",
        "tenant_id": str(ref.tenant_id),
        "operation_id": str(ref.id),
    }


def test_what_was_bound_for_one_is_not_said_of_the_next(written: io.StringIO) -> None:
    with logs.bound(OperationRef(uuid4(), uuid4()), "cluster.create/1"):
        logging.getLogger("cks.relay").info("one")
    logs.begin(request_id="r2")
    logging.getLogger("cks.relay").info("two")
    one, two = lines(written)
    assert one["workflow_id"] == "cluster.create/1"
    assert set(two) == {"timestamp", "level", "logger", "event", "request_id"}


def test_a_workflows_logger_says_which_run_it_is(written: io.StringIO) -> None:
    run = {"workflow_id": "w", "run_id": "r", "workflow_type": "T", "attempt": 1}
    said = {"temporal_workflow": run}
    logging.getLogger("temporalio.workflow").warning("settled", extra=said)
    assert {"workflow_id": "w", "run_id": "r", "workflow_type": "T"}.items() <= lines(written)[
        0
    ].items()


def test_neither_tokens_nor_passwords_nor_rows_are_written(written: io.StringIO) -> None:
    token = "cks_" + "a1B2" * 15
    said = (
        f"Bearer {token} to postgresql://cks_app:hunter2@db/cks failed\n"
        "DETAIL:  Failing row contains (s3cret).\n[parameters: ('s3cret',)]"
    )
    error = ValueError(said)
    logging.getLogger("cks.api").error("said: %s", said, exc_info=error)
    text = written.getvalue()
    assert not [secret for secret in (token, "hunter2", "s3cret") if secret in text]
    assert "postgresql://cks_app:…@db/cks failed" in lines(written)[0]["exception"]


async def test_a_request_leaves_one_line_with_its_ids_and_neither_token_nor_body(
    client: Client, written: io.StringIO, tenant: object
) -> None:
    operation = await client.order(name="kept-to-ourselves")
    (line,) = of_access(written)
    assert (line["method"], line["route"], line["status"]) == ("POST", "/v1/clusters", 202)
    assert 0 < line["milliseconds"] < 10_000
    assert line["request_id"]
    assert (line["tenant_id"], line["operation_id"]) == (str(tenant), operation["id"])
    text = written.getvalue()
    assert client.token
    assert not [said for said in (client.token, "kept-to-ourselves") if said in text]


async def test_a_stranger_is_logged_without_a_tenant(
    stranger: Client, written: io.StringIO
) -> None:
    assert (await stranger.get("/v1/clusters")).status == 401
    (line,) = of_access(written)
    assert line["status"] == 401
    assert "tenant_id" not in line


def test_a_person_gets_lines_to_read() -> None:
    record = logging.LogRecord("cks.api", logging.INFO, "", 0, "serving", None, None)
    line = Lines(Format.CONSOLE).format(record)
    assert "serving" in line
    assert not line.startswith("{")


def test_an_entry_point_sends_everything_through_one_handler(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    for name in ("logThreads", "logProcesses", "logMultiprocessing"):
        monkeypatch.setattr(logging, name, True)
    monkeypatch.setattr(activity.logger, "activity_info_on_message", True)
    monkeypatch.setattr(workflow.logger, "workflow_info_on_message", True)
    logs.configure(Level.WARNING, Format.JSON)
    logging.getLogger("sqlalchemy.pool").info("not told")
    logging.getLogger("sqlalchemy.pool").warning("told")
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in told] == ["told"]


def cost(form: logging.Formatter) -> float:
    """Return the seconds of CPU that a line took in the quickest of several rounds."""
    log, took = logging.Logger("cks.access", logging.INFO), []  # noqa: LOG001  (of its own)
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(form)
    log.addHandler(handler)
    fields = {"method": "GET", "route": "/v1/operations/{operation_id}", "status": 200}
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(LINES):
            log.info("answered", extra={**fields, "milliseconds": 1.25})
        took.append((time.process_time() - began) / LINES)
    return min(took)


def test_a_line_costs_little_more_than_one_of_plain_text() -> None:
    with logs.bound(OperationRef(uuid4(), uuid4()), "cluster.create/1"):
        assert cost(Lines(Format.JSON)) < 4 * cost(PLAIN)
