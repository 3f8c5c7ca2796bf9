from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from cks.domain.clusters.conditions import ready
from cks.domain.instants import rfc3339, rfc3339_or_none

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(9999, 1, 1), timezones=ZONES)  # noqa: DTZ001


@given(INSTANTS)
def test_an_instant_is_written_in_utc_and_read_back_as_the_same(at: datetime) -> None:
    text = rfc3339(at)
    assert text.endswith("Z")
    assert len(text) == len("2026-08-01T00:00:00.000000Z")
    assert datetime.fromisoformat(text) == at


@given(INSTANTS, INSTANTS)
def test_instants_sort_as_their_texts_do(one: datetime, other: datetime) -> None:
    assert (one < other) == (rfc3339(one) < rfc3339(other))


def test_no_instant_is_no_text() -> None:
    at = datetime(2026, 8, 1, tzinfo=UTC)
    assert rfc3339_or_none(None) is None
    assert rfc3339_or_none(at) == "2026-08-01T00:00:00.000000Z"


def test_the_condition_ready_has_kubernetes_fields() -> None:
    at = datetime(2026, 8, 1, tzinfo=UTC)
    assert ready("True", "Provisioned", "", at, 3) == {
        "type": "Ready",
        "status": "True",
        "reason": "Provisioned",
        "message": "",
        "last_transition_time": "2026-08-01T00:00:00.000000Z",
        "observed_generation": 3,
    }
