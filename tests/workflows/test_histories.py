"""What runs of yesterday left behind, replayed by today's code."""

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from tests.workflows.histories import FOLDER
from worker import STRICT_SANDBOX, WORKFLOWS

STORED = sorted(FOLDER.glob("*.json"))


def test_every_workflow_has_stored_histories() -> None:
    stored = {path.name.partition(".")[0] for path in STORED}
    assert stored == {workflow.__module__.rpartition(".")[2] for workflow in WORKFLOWS}


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
async def test_a_stored_history_replays(path: Path) -> None:
    history = WorkflowHistory.from_json(path.stem, json.loads(path.read_text()))
    replayer = Replayer(workflows=WORKFLOWS, workflow_runner=STRICT_SANDBOX)
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    assert result.replay_failure is None
