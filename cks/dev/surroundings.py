"""What the user of ``make dev`` chose by environment variables: ports, folder, servers.

A server whose address is given is used and never started, so its ports are not ours.
"""

import asyncio
import os
import shlex
import socket
from collections import Counter
from contextlib import suppress
from pathlib import Path

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from temporalio.envconfig import ClientConnectConfig

from cks import settings
from cks.settings import BadSettings, Port
from cks.temporal import connection

MARKER = "CKS_DEV_FOLDER"
"""The variable in ``env`` that names the folder whose ``env`` it is."""
OF_POSTGRES = ("CKS_DATABASE_URL", "CKS_APP_DATABASE_URL", "CKS_DISPATCH_DATABASE_URL")
OF_TEMPORAL = ("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_UI_URL")


class Trouble(Exception):  # noqa: N818
    """Why the development stack cannot run; the message says what to do about it."""


class Surroundings(BaseSettings):
    """Every choice has a default; the ports are on the loopback interface."""

    model_config = SettingsConfigDict(env_prefix="CKS_", extra="ignore", frozen=True)

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

    # The simulated cloud reads these itself; here an invalid one is reported at once.
    simulator_speed: float = Field(default=1.0, gt=0)
    simulator_capacity: int = Field(default=0, ge=0)
    simulator_quota_nodes: int = Field(default=0, ge=0)

    def profile(self) -> ClientConnectConfig:
        """Return how Temporal is reached: the chosen server, or the one that we start."""
        if self.temporal_address:
            return connection.read(os.environ)
        own = f"127.0.0.1:{self.temporal_port}"
        return ClientConnectConfig(target_host=own, namespace=self.temporal_namespace)

    def ports(self) -> dict[str, int]:
        """Return the ports that will be ours to listen on, by their variables."""
        names = ["api", "ops", "simulator"]
        names += [] if self.database_url else ["postgres"]
        names += [] if self.temporal_address else ["temporal", "temporal_ui"]
        return {f"CKS_{name.upper()}_PORT": getattr(self, f"{name}_port") for name in names}


def forget(exported: dict[str, str]) -> None:
    """Drop variables that only repeat what our own last run exported.

    Sourcing ``.dev/env`` and starting again later does not mean choosing a server.
    """
    for name, value in exported.items():
        if os.environ.get(name) == value:
            del os.environ[name]


def forget_another_copy(folder: Path) -> Path | None:
    """Drop what the ``env`` of another copy exported into our shell; return that copy's folder.

    Its servers with our cloud would mean a cluster here and its rows there.  If that copy has
    stopped, its values are gone, and every server's address counts as its own.
    """
    sourced = Path(os.environ.pop(MARKER, "") or folder)
    if sourced.resolve() == folder.resolve():
        return None
    everything = {name: os.environ.get(name, "") for name in OF_POSTGRES + OF_TEMPORAL}
    forget(_exports(sourced / "env") or everything)
    return sourced


def _exports(env: Path) -> dict[str, str]:
    with suppress(OSError, ValueError):
        words = [word.partition("=") for word in shlex.split(env.read_text())]
        return {name: value for name, equals, value in words if equals}
    return {}


def forget_empty() -> None:
    """Drop empty variables: they choose nothing, and API and worker would stumble over them."""
    for name, value in list(os.environ.items()):
        if not value and name.startswith(("CKS_", "TEMPORAL_")):
            del os.environ[name]


def read() -> Surroundings:
    """Raise ``Trouble`` for an invalid value, be it ours, the API's or the worker's."""
    try:
        chosen = Surroundings()
        settings.load()
        chosen.profile()
    except ValidationError as error:
        raise Trouble(settings.explain(error)) from error
    except BadSettings as error:
        raise Trouble(str(error)) from error
    return chosen


async def check_ports(ports: dict[str, int], patience: float = 0.0) -> None:
    """Raise ``Trouble`` naming every port that another process uses, with its variable.

    ``patience`` (seconds): how long to wait for the remains of a copy that was just killed.
    """
    port, uses = Counter(ports.values()).most_common(1)[0]
    if uses > 1:
        twins = " and ".join(variable for variable, number in ports.items() if number == port)
        raise Trouble(f"{twins} are both {port}: choose different ports.")
    while taken := {variable: port for variable, port in ports.items() if not _free(port)}:
        patience -= 0.1
        if patience < 0:
            each = ", ".join(f"{port} ({variable})" for variable, port in taken.items())
            raise Trouble(
                f"Taken by other processes: port {each}. Stop them, or choose other ports with"
                " these variables."
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
