from uuid import UUID
from zlib import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cks.domain.people import tokens
from cks.domain.people.tokens import ALPHABET, CHECKSUM, LONGEST, PREFIX, SECRET, TENANT, TokenClaim

ENTROPY = st.integers(0, 2**200)
SHORTEST = len(PREFIX) + TENANT + 30 + CHECKSUM


def signed(body: str) -> str:
    """Return a body with its true checksum, counted without the code under test."""
    rest, letters = crc32(body.encode()), ""
    for _ in range(CHECKSUM):
        rest, digit = divmod(rest, 62)
        letters = ALPHABET[digit] + letters
    return body + letters


@given(st.uuids(), ENTROPY)
@example(UUID(int=0), 0)
@example(UUID(int=2**128 - 1), 62**SECRET - 1)
def test_a_token_says_its_tenant_and_what_is_stored_of_it(tenant: UUID, entropy: int) -> None:
    token = tokens.mint(tenant, entropy)
    assert tokens.read(token) == TokenClaim(tenant, tokens.digest_of(token))
    assert len(token) == len(PREFIX) + TENANT + SECRET + CHECKSUM
    assert token == signed(token[:-CHECKSUM])


@given(st.uuids(), ENTROPY, st.data())
def test_a_token_with_one_character_changed_is_refused(
    tenant: UUID, entropy: int, data: st.DataObject
) -> None:
    token = tokens.mint(tenant, entropy)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda letter: letter != token[place]))
    assert tokens.read(token[:place] + other + token[place + 1 :]) is None


def test_no_single_typing_error_in_a_token_passes() -> None:
    token = tokens.mint(UUID(int=7), 2**190 + 3)
    for place, was in enumerate(token):
        for letter in set(ALPHABET) - {was}:
            assert tokens.read(token[:place] + letter + token[place + 1 :]) is None


@given(st.uuids(), ENTROPY, st.data())
def test_a_token_cut_short_or_lengthened_is_refused(
    tenant: UUID, entropy: int, data: st.DataObject
) -> None:
    token = tokens.mint(tenant, entropy)
    assert tokens.read(token[: data.draw(st.integers(0, len(token) - 1))]) is None
    assert tokens.read(token + data.draw(st.text(ALPHABET, min_size=1, max_size=1))) is None


@given(st.text())
@example("")
@example(PREFIX)
@example("\ud800" * SHORTEST)
@example(PREFIX + "é" * 60)
@example(PREFIX + "0" * 10_000)
def test_garbage_is_no_token_and_never_crashes(text: str) -> None:
    assert tokens.read(text) is None


@given(st.text(ALPHABET, max_size=90))
def test_well_spelt_garbage_is_no_token(letters: str) -> None:
    token = PREFIX + letters
    if signed(token[:-CHECKSUM]) != token:
        assert tokens.read(token) is None


@pytest.mark.parametrize(
    ("length", "fits"),
    [(SHORTEST - 1, False), (SHORTEST, True), (LONGEST, True), (LONGEST + 1, False)],
)
def test_secrets_of_another_length_are_read_within_bounds(length: int, *, fits: bool) -> None:
    token = signed(PREFIX + "0" * (length - len(PREFIX) - CHECKSUM))
    assert (tokens.read(token) is not None) is fits


def test_a_tenant_beyond_128_bits_is_refused_in_spite_of_a_true_checksum() -> None:
    assert tokens.read(signed(PREFIX + "z" * TENANT + "0" * SECRET)) is None


@given(st.uuids(), ENTROPY, ENTROPY)
def test_the_digest_tells_tokens_apart_and_holds_no_part_of_them(
    tenant: UUID, one: int, other: int
) -> None:
    first, second = tokens.mint(tenant, one), tokens.mint(tenant, other)
    digest = tokens.digest_of(first)
    assert (digest == tokens.digest_of(second)) == (one % 62**SECRET == other % 62**SECRET)
    assert digest.startswith("sha256:")
    assert first[-SECRET:] not in digest
