"""The programs of the stack: how each is run, and how it is known to be ready.

Passwords travel in the environment, never in a command line, which every user can read.
API and worker get every variable that they need, so that no other copy's ``.dev/env`` fills a gap;
they do not get the superuser's URL.
"""

import os
import signal
import sys
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

import aiohttp
import asyncpg
from temporalio.envconfig import ClientConnectConfig

from cks.dev import temporal
from cks.dev.postgres import Postgres
from cks.dev.processes import Program
from cks.dev.surroundings import Surroundings, Trouble

GROUND, NEIGHBOURS, OURS = 0, 1, 2
PACE = "30"
"""How many times faster than a real cloud the simulated one is, here."""


def database(server: Postgres, password: str) -> Program:
    return Program(
        "postgres",
        tuple(server.command()),
        ready=lambda _: check_database(server.url(password)),
        user=server.user,
        rank=GROUND,
        # A fast shutdown: SIGTERM would wait until the last client has gone.
        ends_by=signal.SIGINT,
        orphaned_by=signal.SIGINT,
    )


def engine(chosen: Surroundings, profile: ClientConnectConfig, data: Path) -> Program:
    """Run Temporal; at each of its starts it gets what we need, also in a store that is new."""
    words = temporal.command(
        temporal.find(),
        data / "temporal.db",
        chosen.temporal_port,
        chosen.temporal_ui_port,
        chosen.temporal_namespace,
    )
    return Program(
        "temporal",
        tuple(words),
        ready=lambda _: temporal.bootstrap(profile),
        rank=NEIGHBOURS,
        grace=3.0,
    )


def simulator(chosen: Surroundings, data: Path) -> Program:
    variables = environment({"CKS_SIMULATOR_DATA": str(data / "simulator.db")}, chosen)
    url = f"http://127.0.0.1:{chosen.simulator_port}/health"
    command = (sys.executable, "-m", "cks.providers.simulated")
    return Program(
        "simulator", command, lambda _: check_http(url), variables, rank=NEIGHBOURS, grace=3.0
    )


def api(chosen: Surroundings, variables: dict[str, str]) -> Program:
    url = f"http://127.0.0.1:{chosen.ops_port}/readyz"
    command = (sys.executable, "-m", "api")
    return Program("api", command, lambda _: check_http(url), variables, rank=OURS, grace=7.0)


def worker(profile: ClientConnectConfig, variables: dict[str, str]) -> Program:
    queue = variables.get("CKS_TASK_QUEUE", "cks")

    async def ready(since: datetime) -> None:
        await temporal.check_worker(profile, queue, since)

    command = (sys.executable, "-m", "worker")
    return Program("worker", command, ready, variables, rank=OURS, grace=7.0)


def environment(given: Mapping[str, str], chosen: Surroundings) -> dict[str, str]:
    """Return our environment and what is given, with a developer's pace and logs."""
    pace = {
        "CKS_LOG_FORMAT": "console",
        "CKS_PROVIDER_SPEED": PACE,
        "CKS_POLL_SECONDS": "0.3",
        "CKS_SIMULATOR_SPEED": PACE,
        "CKS_STEP_BUDGET_SECONDS": "25",
        "CKS_UNDO_SECONDS": "60",
    }
    fixed = {
        "CKS_API_PORT": str(chosen.api_port),
        "CKS_OPS_PORT": str(chosen.ops_port),
        "CKS_SIMULATOR_PORT": str(chosen.simulator_port),
        "PYTHONUNBUFFERED": "1",
    }
    inherited = dict(os.environ)
    if not chosen.temporal_address:  # our own server knows no TLS, and no key
        inherited = {k: v for k, v in inherited.items() if not k.startswith("TEMPORAL_")}
    whole = pace | inherited | dict(given) | fixed
    whole.pop("CKS_DATABASE_URL", None)
    return whole


async def check_database(url: str) -> None:
    """Raise unless the database answers."""
    connection = await asyncpg.connect(url, timeout=5)
    await connection.close()


async def check_http(url: str) -> None:
    """Raise unless the URL answers with 200."""
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        if answer.status != HTTPStatus.OK:
            raise Trouble(f"{url} answers {answer.status}")
