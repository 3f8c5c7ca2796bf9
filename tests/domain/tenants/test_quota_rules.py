import pytest
from hypothesis import given
from hypothesis import strategies as st

from cks.domain.refusals import QuotaExceeded
from cks.domain.tenants.quotas import CLUSTERS, DEFAULTS, NODES, check_quota

COUNTS = st.integers(0, 10**9)


@given(COUNTS, COUNTS, COUNTS)
def test_a_request_is_refused_exactly_where_it_would_exceed_the_limit(
    limit: int, used: int, requested: int
) -> None:
    if used + requested <= limit:
        check_quota(NODES, limit=limit, used=used, requested=requested)
        return
    with pytest.raises(QuotaExceeded) as refused:
        check_quota(NODES, limit=limit, used=used, requested=requested)
    members = {"quota": NODES, "limit": limit, "used": used, "requested": requested}
    assert refused.value.members == members


@given(st.integers(0, 30), st.lists(st.integers(1, 9), max_size=20))
def test_spending_one_request_after_the_other_stays_within_the_limit(
    limit: int, requests: list[int]
) -> None:
    used = 0
    for requested in requests:
        try:
            check_quota(NODES, limit=limit, used=used, requested=requested)
        except QuotaExceeded:
            continue
        used += requested
    assert used <= limit


def test_the_last_one_still_fits() -> None:
    check_quota(CLUSTERS, limit=3, used=2, requested=1)
    with pytest.raises(QuotaExceeded, match="3 of 3 clusters are in use; 1 more"):
        check_quota(CLUSTERS, limit=3, used=3, requested=1)


def test_a_new_tenant_has_room_for_a_demonstration() -> None:
    assert {quota: limit for quota, (limit, _) in DEFAULTS.items()} == {CLUSTERS: 20, NODES: 200}
