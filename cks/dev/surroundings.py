"""What the caller of ``make dev`` chose by environment variables: ports, folder, servers.

A server whose address is given is used and never started, so its ports are not ours.
"""

import asyncio
import os
import socket
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=1, le=65535)]


class Trouble(Exception):  # noqa: N818
    """Why the development stack cannot run; the message says what to do about it."""


class Surroundings(BaseSettings):
    """Every choice has a default; the ports are those of the loopback interface."""

    model_config = SettingsConfigDict(
        env_prefix="CKS_", extra="ignore", frozen=True, env_ignore_empty=True
    )

    dev_dir: Path = Path(".dev")
    api_port: Port = 8080
    ops_port: Port = 8081
    postgres_port: Port = 5433
    simulator_port: Port = 8090
    temporal_port: Port = 7233
    temporal_ui_port: Port = 8233
    database_url: str = ""
    app_database_url: str = ""
    dispatch_database_url: str = ""
    temporal_address: str = Field(default="", validation_alias=AliasChoices("TEMPORAL_ADDRESS"))
    temporal_namespace: str = Field(
        default="cks", validation_alias=AliasChoices("TEMPORAL_NAMESPACE")
    )
    temporal_ui_url: str = Field(default="", validation_alias=AliasChoices("TEMPORAL_UI_URL"))

    def ports(self) -> dict[str, int]:
        """Return the ports that will be ours to listen on, by their variables."""
        names = ["api", "ops", "simulator"]
        names += [] if self.database_url else ["postgres"]
        names += [] if self.temporal_address else ["temporal", "temporal_ui"]
        return {f"CKS_{name.upper()}_PORT": getattr(self, f"{name}_port") for name in names}


def forget(exported: dict[str, str]) -> None:
    """Drop variables that only repeat what our own last run exported.

    Who sources ``.dev/env`` and later starts again has not chosen a server of their own.
    """
    for name, value in exported.items():
        if os.environ.get(name) == value:
            del os.environ[name]


def read() -> Surroundings:
    """Raise ``Trouble`` for a value that cannot be meant."""
    try:
        return Surroundings()
    except ValidationError as error:
        wrong = (f"CKS_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise Trouble("; ".join(wrong)) from error


async def check_ports(ports: dict[str, int], patience: float = 0.0) -> None:
    """Raise ``Trouble`` that names the port and its variable where another process has one.

    ``patience`` (seconds) is for the leftovers of a copy that was killed a moment ago.
    """
    for variable, port in ports.items():
        twins = [other for other, number in ports.items() if number == port]
        if len(twins) > 1:
            raise Trouble(f"{' and '.join(twins)} are both {port}: choose different ports.")
        while not _free(port):
            patience -= 0.1
            if patience < 0:
                raise Trouble(
                    f"Port {port} is taken by another process. Stop it, or choose"
                    f" another port with {variable}."
                )
            await asyncio.sleep(0.1)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # A port that only waits out its last connections (TIME_WAIT) is free for a listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
