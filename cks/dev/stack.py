"""The whole stack on one machine: what is started in which order, and which variables are exported.

PostgreSQL, Temporal and the simulated cloud start together; the API and the worker follow
when the database is migrated and Temporal knows our namespace.  ``.dev/env`` is there only
while all of it is ready, so waiting for that file is waiting for the stack.
"""

import asyncio
import json
from collections.abc import Callable
from urllib.parse import urlsplit

from cks.dev import demo, postgres, programs, summary, temporal
from cks.dev.database import Urls, prepare
from cks.dev.folder import Folder
from cks.dev.supervisor import Supervisor
from cks.dev.surroundings import MARKER, OF_POSTGRES, OF_TEMPORAL, Surroundings

EXPORTED = "exported.json"


class Stack:
    """Everything of one folder, brought up under one supervisor."""

    def __init__(
        self,
        chosen: Surroundings,
        folder: Folder,
        supervisor: Supervisor,
        tell: Callable[[str], None],
    ) -> None:
        self._chosen = chosen
        self._folder = folder
        self._supervisor = supervisor
        self._tell = tell
        self._temporal = chosen.profile()

    async def bring_up(self) -> None:
        async with asyncio.TaskGroup() as first:
            database = first.create_task(self._bring_up_database())
            first.create_task(self._bring_up_temporal())
            simulator = programs.simulator(self._chosen, self._folder.path)
            first.create_task(self._supervisor.start(simulator))
        exports = self._exports(database.result())
        environment = programs.environment(exports, self._chosen)
        async with asyncio.TaskGroup() as second:
            worker = programs.worker(self._temporal, environment)
            second.create_task(self._supervisor.start(worker))
            await self._supervisor.start(programs.api(self._chosen, environment))
            people = await demo.people(
                self._folder, exports["CKS_API_URL"], database.result().owner
            )
        self._publish(exports | people)

    async def _bring_up_database(self) -> Urls:
        if self._chosen.database_url:
            return await prepare(self._chosen.database_url, self._chosen, self._folder)
        home = postgres.home(self._folder.path)
        if home != self._folder.path:
            self._tell(f"PostgreSQL cannot run in {self._folder.path}: its data is in {home}")
        server = postgres.find(home / "postgres", self._chosen.postgres_port)
        password = self._folder.password(postgres.SUPERUSER)
        await asyncio.to_thread(server.initialise, password)
        server.forget_killed()
        await self._supervisor.start(programs.database(server, password))
        return await prepare(server.url(password), self._chosen, self._folder)

    async def _bring_up_temporal(self) -> None:
        if self._chosen.temporal_address:
            await temporal.bootstrap(self._temporal)
        else:
            server = programs.engine(self._chosen, self._temporal, self._folder.path)
            await self._supervisor.start(server)

    def _exports(self, urls: Urls) -> dict[str, str]:
        chosen, ui = self._chosen, self._chosen.temporal_ui_url
        if not chosen.temporal_address:
            ui = f"http://127.0.0.1:{chosen.temporal_ui_port}"
        return {
            "CKS_API_URL": f"http://127.0.0.1:{chosen.api_port}",
            "CKS_OPS_URL": f"http://127.0.0.1:{chosen.ops_port}",
            "CKS_SIMULATOR_URL": f"http://127.0.0.1:{chosen.simulator_port}",
            "CKS_DATABASE_URL": urls.owner,
            "CKS_APP_DATABASE_URL": urls.app,
            "CKS_DISPATCH_DATABASE_URL": urls.dispatch,
            "TEMPORAL_ADDRESS": self._temporal["target_host"],
            "TEMPORAL_NAMESPACE": self._temporal["namespace"],
            "TEMPORAL_UI_URL": ui,
        }

    def _publish(self, exports: dict[str, str]) -> None:
        started = {OF_POSTGRES: not self._chosen.database_url}
        started[OF_TEMPORAL] = not self._chosen.temporal_address
        ours = [name for names, is_ours in started.items() if is_ours for name in names]
        self._folder.keep(EXPORTED, json.dumps({name: exports[name] for name in ours}))
        marked = exports | {MARKER: str(self._folder.path)}
        self._folder.keep("env", summary.environment(marked))
        place = urlsplit(exports["CKS_DATABASE_URL"]).netloc.rpartition("@")[2]
        self._tell(summary.text(exports, self._folder.path, place))
