import re

import pytest

from cks.domain import refusals
from cks.domain.refusals import Declined, Fault, Invalid, NotAvailableYet, NotBuiltYet

KINDS = [
    kind
    for kind in vars(refusals).values()
    if isinstance(kind, type) and issubclass(kind, Declined) and kind is not Declined
]


def test_every_refusal_has_a_code_of_its_own_but_the_two_that_say_not_yet() -> None:
    codes = [kind.code for kind in KINDS]
    doubled = {kind for kind in KINDS if codes.count(kind.code) > 1}
    assert doubled == {NotAvailableYet, NotBuiltYet}
    assert Declined.code not in codes


@pytest.mark.parametrize("kind", KINDS)
def test_a_code_is_a_word_that_programs_compare(kind: type[Declined]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)


def test_the_operators_half_of_a_message_stays_out_of_the_tenants() -> None:
    refusal = Declined("The name is taken.", note="constraint clusters_name", members={"a": 1})
    assert str(refusal) == refusal.detail == "The name is taken."
    assert (refusal.note, refusal.members) == ("constraint clusters_name", {"a": 1})


def test_every_wrong_field_is_named_in_one_sentence() -> None:
    refusal = Invalid([Fault("/name", "required", "is missing"), Fault("", "invalid", "is bad")])
    assert refusal.detail == "/name: is missing; /: is bad"
    assert [fault.code for fault in refusal.faults] == ["required", "invalid"]
    assert refusal.members == {}
