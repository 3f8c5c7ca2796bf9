"""Every setting, read once at each entry point, from the environment or ``.dev/env``.

``.dev/env`` is what ``make dev`` writes, so that ``cks admin`` finds a running copy by
itself; a real variable always wins over it.
"""

import sys
from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All URLs of PostgreSQL are in libpq's form (``postgresql://…``)."""

    model_config = SettingsConfigDict(env_prefix="CKS_", extra="ignore", frozen=True)

    database_url: str = ""
    """For migrations and ``cks admin``: a login that may ``SET ROLE cks_owner``."""
    app_database_url: str = ""
    """For API and worker: ``cks_app``."""
    dispatch_database_url: str = ""
    """For what finds work across tenants: ``cks_dispatch``."""
    pool_size: int = Field(default=20, ge=1)
    """Connections per process to PostgreSQL, at most."""

    api_url: str = "http://127.0.0.1:8080"
    api_host: str = "127.0.0.1"
    api_port: int = 8080
    ops_port: int = 8081

    temporal_address: str = Field(
        default="127.0.0.1:7233",
        validation_alias=AliasChoices("TEMPORAL_ADDRESS", "temporal_address"),
    )
    temporal_namespace: str = Field(
        default="cks", validation_alias=AliasChoices("TEMPORAL_NAMESPACE", "temporal_namespace")
    )
    task_queue: str = "cks"

    simulator_url: str = "http://127.0.0.1:8090"
    """Where the simulated cloud listens; the only provider so far."""
    provider_timeout_seconds: float = Field(default=10.0, gt=0)
    """How long one call to the provider may take before it counts as failed."""
    step_budget_seconds: float = Field(default=600.0, gt=0)
    """How long a step's calls may keep failing before the step has failed."""
    poll_seconds: float = Field(default=2.0, gt=0)
    """How often a step looks whether what it asked for is there."""
    pace: float = Field(default=1.0, gt=0)
    """How many times faster than planned the provider is; for estimates alone."""


def load() -> Settings:
    """Read the settings; ``.dev/env`` of this directory, or beside ``.venv``, fills gaps."""
    beside = Path(sys.prefix).parent / ".dev" / "env"
    return Settings(_env_file=(beside, Path(".dev/env")))
