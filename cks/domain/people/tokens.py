"""Bearer tokens: ``cks_<tenant, 22 base62><secret, 32 base62><CRC32, 6 base62>``.

The token contains its tenant, so that it is looked up under that tenant's row security.  The
checksum (of everything before it, as in GitHub's token format) lets malformed tokens be refused
without a query, and lets secret scanners recognise a leak.
"""

import hashlib
import zlib
from dataclasses import dataclass
from uuid import UUID

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PREFIX = "cks_"
TENANT, SECRET, CHECKSUM = 22, 32, 6
LONGEST = 120


@dataclass(frozen=True, slots=True)
class TokenClaim:
    """What a well-formed token claims: its tenant, and the digest to look up."""

    tenant_id: UUID
    digest: str


def mint(tenant_id: UUID, entropy: int) -> str:
    """Return the token of a tenant, from at least 190 random bits."""
    secret = _encode(entropy % len(ALPHABET) ** SECRET, SECRET)
    body = f"{PREFIX}{_encode(tenant_id.int, TENANT)}{secret}"
    return body + _checksum(body)


def read(token: str) -> TokenClaim | None:
    """Return what a token claims, or ``None`` if it cannot be one of ours."""
    body, checksum = token[:-CHECKSUM], token[-CHECKSUM:]
    shortest = len(PREFIX) + TENANT + 30 + CHECKSUM
    if not token.startswith(PREFIX) or not shortest <= len(token) <= LONGEST:
        return None
    if not set(token[len(PREFIX) :]) <= set(ALPHABET) or checksum != _checksum(body):
        return None
    number = _decode(body[len(PREFIX) : len(PREFIX) + TENANT])
    return TokenClaim(UUID(int=number), digest_of(token)) if number < 1 << 128 else None


def digest_of(token: str) -> str:
    """Return what is stored of a token: ``sha256:`` and 64 hex digits."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def _checksum(body: str) -> str:
    return _encode(zlib.crc32(body.encode()), CHECKSUM)


def _encode(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def _decode(text: str) -> int:
    number = 0
    for letter in text:
        number = number * len(ALPHABET) + ALPHABET.index(letter)
    return number
