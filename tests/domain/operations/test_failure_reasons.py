import pytest

from cks.domain.operations.failures import FAILURES, INTERNAL, failed_at
from cks.domain.operations.lifecycle import Ending
from cks.domain.refusals import Declined, NoCapacity, ProviderQuota, TurnedBack


@pytest.mark.parametrize("code", FAILURES)
def test_a_known_failure_keeps_its_code_and_names_the_step(code: str) -> None:
    reason = failed_at(code, "Create the network")
    culprit, sentence = FAILURES[code]
    assert (reason.ending, reason.code, reason.fault) == (Ending.FAILED, code, culprit)
    assert reason.retryable
    assert reason.message == (f"{sentence} in the step “Create the network”.")


@pytest.mark.parametrize("code", [None, "", "ValueError", TurnedBack.code])
def test_what_has_no_code_of_ours_is_our_fault(code: str | None) -> None:
    reason = failed_at(code, None)
    assert (reason.code, reason.fault) == (INTERNAL, "internal")
    assert reason.message == "An internal error occurred."


@pytest.mark.parametrize("refusal", [NoCapacity, ProviderQuota])
def test_what_the_provider_refuses_for_lack_of_room_is_the_providers(
    refusal: type[Declined],
) -> None:
    assert failed_at(refusal.code, None).fault == "provider"
