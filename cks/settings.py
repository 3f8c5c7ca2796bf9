"""Every setting, read once at each entry point, from the environment.

``cks admin`` also reads what ``make dev`` wrote, so that it finds a running copy by itself;
variables that are set take precedence.  API and worker never read that file: it names a superuser.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from cks.domain.operations.deadlines import Allowance
from cks.domain.retention import Retention
from cks.logs import Format, Level

Port = Annotated[int, Field(ge=1, le=65535)]


class BadSettings(ValueError):  # noqa: N818
    """A variable's value is invalid; the message names each such variable, in one line."""


class Settings(BaseSettings):
    """All URLs of PostgreSQL are in libpq's form (``postgresql://…``)."""

    model_config = SettingsConfigDict(env_prefix="CKS_", extra="ignore", frozen=True)

    database_url: str = ""
    """For migrations and ``cks admin``: a login that may ``SET ROLE cks_owner``."""
    app_database_url: str = ""
    """For API and worker: ``cks_app``."""
    dispatch_database_url: str = ""
    """For finding work in all tenants: ``cks_dispatch``."""
    pool_size: int = Field(default=20, ge=1)
    """The most connections per process for transactions."""
    database_pooling: Literal["session", "transaction"] = "session"
    """For how long a pooler, if there is one, assigns us a server connection."""
    listen_database_url: str = ""
    """As ``cks_app``, for LISTEN, bypassing a pooler.  Empty: ``app_database_url``."""

    api_url: str = "http://127.0.0.1:8080"
    api_host: str = "127.0.0.1"
    api_port: Port = 8080
    ops_port: Port = 8081
    api_runs_loops: bool = True
    """Whether API processes also run the loops, or leave them to ``api.background``."""

    task_queue: str = "cks"
    build_id: str = ""
    """The worker's build, such as the git sha: a run then stays on the build that began it."""

    simulator_url: str = "http://127.0.0.1:8090"
    """Where the simulated cloud listens; the only provider so far."""
    provider_timeout_seconds: float = Field(default=10.0, gt=0)
    """How long one call to the provider may take before it counts as failed."""
    step_budget_seconds: float = Field(default=600.0, gt=0)
    """How long a step's calls may keep failing before the step has failed."""
    undo_seconds: float = Field(default=3600.0, gt=0)
    """How long an undo may take before the operation ends and names what is left."""
    poll_seconds: float = Field(default=2.0, gt=0)
    """How often a step checks whether what it asked for exists."""
    provider_speed: float = Field(default=1.0, gt=0)
    """How many times faster than planned the provider is; for estimates and deadlines."""

    keep_events_days: float = Field(default=90.0, gt=0)
    """How long an operation's events are kept after its end; the final one is always kept."""
    keep_keys_hours: float = Field(default=48.0, ge=24)
    """How long a request's Idempotency-Key is kept; the API promises at least 24 hours."""
    keep_sessions_days: float = Field(default=30.0, gt=0)
    """How long a session is kept after it was revoked or has expired."""

    log_level: Level = Level.INFO
    """The lowest level that is logged."""
    log_format: Format = Format.JSON
    """One JSON object per line, or lines for people to read."""

    @property
    def pooled(self) -> bool:
        return self.database_pooling == "transaction"

    @property
    def listening_url(self) -> str:
        return self.listen_database_url or self.app_database_url

    @property
    def allowance(self) -> Allowance:
        return Allowance(self.provider_speed, self.undo_seconds)

    @property
    def retention(self) -> Retention:
        return Retention(
            events=timedelta(days=self.keep_events_days),
            keys=timedelta(hours=self.keep_keys_hours),
            sessions=timedelta(days=self.keep_sessions_days),
        )


def load(*, development: bool = False) -> Settings:
    """Read the settings; raise ``BadSettings`` if one is invalid.

    ``development``: what is not set is taken from the file that ``make dev`` wrote.
    """
    try:
        return Settings(_env_file=_written() if development else None)
    except ValidationError as error:
        raise BadSettings(explain(error)) from error


def variables() -> dict[str, str]:
    """Return the environment, completed by what ``make dev`` wrote."""
    written = {k: v for k, v in dotenv_values(_written()).items() if v is not None}
    return written | dict(os.environ)


def explain(error: ValidationError) -> str:
    """Return one line that names every invalid variable, and what is wrong with it."""
    return "; ".join(
        f"{_variable(str(wrong['loc'][0]))}={wrong['input']}: {wrong['msg']}"
        for wrong in error.errors()
    )


def _written() -> Path:
    """Return the file of the copy in use: the one chosen, the one here, or the project's own."""
    if chosen := os.environ.get("CKS_DEV_DIR"):
        return Path(chosen, "env")
    here = Path(".dev", "env")
    return here if here.exists() else Path(sys.prefix).parent / here


def _variable(name: str) -> str:
    return name if name.isupper() else f"CKS_{name.upper()}"
