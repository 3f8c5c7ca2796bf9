"""What is accepted is carried out, whoever is killed in the middle."""

import pytest

from tests.support.stack import PROGRAMS
from tests.system.outside import Body, Outside

pytestmark = pytest.mark.trial
SEVERAL = [("worker", "temporal"), ("api", "postgres"), tuple(PROGRAMS)]


async def completes(outside: Outside, operation: Body) -> None:
    """Fail unless the operation goes on soon after all is back, and completes."""
    await outside.goes_on(operation)
    assert (await outside.ended(operation))["status"] == "completed"


@pytest.mark.parametrize("program", ["worker", "simulator", "temporal"])
async def test_a_run_goes_on_soon_after_a_program_was_killed(
    outside: Outside, program: str
) -> None:
    operation = await outside.half_done()
    outside.kill(program)
    await completes(outside, operation)


async def test_a_run_starts_although_the_api_was_killed_after_the_commit(outside: Outside) -> None:
    operation = await outside.create()
    outside.kill("api")
    await completes(outside, operation)


async def test_the_database_may_die_and_is_found_again(outside: Outside) -> None:
    operation = await outside.half_done()
    outside.kill("postgres")
    statuses = {(await outside.tenant.get("/v1/clusters")).status for _ in range(20)}
    assert statuses <= {200, 503}
    await completes(outside, operation)


@pytest.mark.parametrize("programs", SEVERAL, ids="+".join)
async def test_a_run_goes_on_soon_after_several_were_killed_at_once(
    outside: Outside, programs: tuple[str, ...]
) -> None:
    operation = await outside.half_done()
    outside.kill(*programs)
    await completes(outside, operation)
