"""What is accepted is carried out, whoever is killed in the middle."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.servers import open_folder
from tests.stack import exports, members, running, surroundings_of

SECONDS = 60
POOL = {
    "name": "default",
    "node_count": 2,
    "min_nodes": 1,
    "max_nodes": 5,
    "instance_type": "m5.large",
    "disk_size": 50,
}


@dataclass(frozen=True, slots=True)
class Stack:
    folder: Path
    url: str
    token: str

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Return status and body; 0 where nobody answered."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310  (an address of ours)
            self.url + path, data, headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return 0, None

    def create(self) -> str:
        """Return the id of the operation that was accepted."""
        wish = {"name": f"c-{uuid4().hex[:8]}", "node_pools": [POOL]}
        status, operation = self.ask("POST", "/v1/clusters", wish)
        assert status == 202, operation
        return str(operation["id"])

    def until(self, operation_id: str, so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            status, operation = self.ask("GET", f"/v1/operations/{operation_id}")
            if status == 200 and so(operation):
                return dict(operation)
            time.sleep(0.05)
        pytest.fail(f"not so after {SECONDS} s: {operation}")

    def kill(self, *words: str) -> None:
        """Kill the process whose command line has these words, as a machine's death does."""
        wanted = [word.encode() for word in words]
        for process in members(self.folder):
            command = (process / "cmdline").read_bytes().split(b"\0")
            if all(word in command for word in wanted):
                os.kill(int(process.name), signal.SIGKILL)
                return
        pytest.fail(f"no process {words}")


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with open_folder() as folder:
        surroundings = surroundings_of(folder) | {"CKS_SIMULATOR_SPEED": "60"}
        dev = Path(surroundings["CKS_DEV_DIR"])
        with running(surroundings):
            told = exports(dev)
            yield Stack(dev, told["CKS_API_URL"], told["CKS_TOKEN"])


def is_half_done(operation: dict[str, Any]) -> bool:
    return bool(operation["progress"] >= 10)


def is_done(operation: dict[str, Any]) -> bool:
    return bool(operation["done"])


def test_a_run_goes_on_soon_after_its_worker_was_killed(stack: Stack) -> None:
    operation = stack.create()
    before = stack.until(operation, is_half_done)
    stack.kill("-m", "worker")
    began = time.monotonic()
    stack.until(operation, lambda now: now["progress"] > before["progress"])
    assert time.monotonic() - began < 15
    assert stack.until(operation, is_done)["status"] == "completed"


def test_a_run_starts_although_the_api_was_killed_after_the_commit(stack: Stack) -> None:
    operation = stack.create()
    stack.kill("-m", "api")
    assert stack.until(operation, is_done)["status"] == "completed"


@pytest.mark.parametrize("words", [("-m", "cks.providers.simulated"), ("server", "start-dev")])
def test_a_run_completes_although_a_server_was_killed(stack: Stack, words: tuple[str, ...]) -> None:
    operation = stack.create()
    stack.until(operation, is_half_done)
    stack.kill(*words)
    assert stack.until(operation, is_done)["status"] == "completed"


def test_the_database_may_die_and_is_found_again(stack: Stack) -> None:
    operation = stack.create()
    stack.until(operation, is_half_done)
    stack.kill("-D")
    statuses = {stack.ask("GET", "/v1/clusters")[0] for _ in range(20)}
    assert statuses <= {200, 503}
    assert stack.until(operation, is_done)["status"] == "completed"
