"""Requests that schemathesis makes up from the description of the API, of every phase it knows.

``START`` (``make trial``) seeds them.  Streams are left out, since they have no end: see
``tests/api/operations/test_streams.py``.
"""

import asyncio
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from cks.db.admin import tenants
from cks.domain.people import tokens
from tests.system.outside import Outside, standing

pytestmark = pytest.mark.trial

FEWEST = 1_000
SETTINGS = """
[phases.coverage]
# Of a path that is there in part, the other methods are not available yet: 501, as they declare.
unexpected-methods = ["PUT", "TRACE"]

[checks.positive_data_acceptance]
# A schema does not say what is on offer, which tokens and ETags exist, and what is not built yet.
expected-statuses = ["2xx", 401, 403, 404, 409, 412, 422, 501]
"""


async def token_of(outside: Outside, role: str) -> str:
    """Return the token of a user who has this role beside the demo tenant's admin."""
    token = outside.exports["CKS_TOKEN"]
    claim = tokens.read(token)
    assert claim
    url, email = outside.exports["CKS_DATABASE_URL"], f"{uuid4()}@acme.test"
    return (await tenants.create_user(url, str(claim.tenant_id), email, role)).token


@pytest.mark.parametrize("role", ["admin", "developer", "security_admin"])
async def test_nothing_that_is_made_up_surprises_us(tmp_path: Path, role: str) -> None:
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    seed = os.environ.get("START") or datetime.now(UTC).strftime("%Y%m%d")
    async with standing() as outside:
        words = [
            *("run", f"{outside.exports['CKS_API_URL']}/openapi.json"),
            *("--header", f"Authorization: Bearer {await token_of(outside, role)}"),
            *("--exclude-path-regex", "/events$"),
            *("--phases", "examples,coverage,fuzzing,stateful"),
            *("--seed", seed, "--max-examples", "20", "--continue-on-failure"),
            *("--generation-database", "none", "--no-color"),
        ]
        run = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")),
            *words,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        told = (await run.communicate())[0].decode()
    assert run.returncode == 0, told
    (generated,) = re.findall(r"(\d+) generated", told)
    assert int(generated) >= FEWEST, told
    print(told[-400:])  # noqa: T201  (how many, for whoever looks at -s)
