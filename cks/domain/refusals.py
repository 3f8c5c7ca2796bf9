"""The ways in which the service refuses.

A refusal is an answer, not a bug: ``api/http/problems.py`` maps it to a status code, an activity
to a failure that is not retried.  Any other exception is a bug or an outage.

Each class has a stable ``code``.  The message is the tenant's half and names nothing of the
implementation; ``note`` is the operator's half and goes only to logs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One invalid field: where (RFC 6901 pointer), which rule (stable code), and why."""

    pointer: str
    code: str
    detail: str


class Declined(Exception):  # noqa: N818
    """A request that the service understood and will not carry out."""

    code: ClassVar[str] = "declined"

    def __init__(
        self, detail: str, *, note: str = "", members: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.note = note
        self.members = dict(members or {})


class NotFound(Declined):
    """It does not exist, or the caller may not see it: the two look the same."""

    code = "not_found"


class Forbidden(Declined):
    """The caller sees it, but may not do this.  Member: ``missing``, permissions by name."""

    code = "forbidden"


class Unauthenticated(Declined):
    """The token is missing, malformed, unknown, revoked or expired, or its user is not active."""

    code = "unauthenticated"


class Invalid(Declined):
    """Well-formed, but not valid; names every invalid field at once."""

    code = "invalid"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{f.pointer or '/'}: {f.detail}" for f in faults))
        self.faults = tuple(faults)


class NameTaken(Declined):
    """Another resource of the tenant has this name."""

    code = "name_taken"


class RoleInUse(Declined):
    """A role that somebody has cannot be deleted.  Members: ``users``, ``count``."""

    code = "role_in_use"


class GrantExists(Declined):
    """The user already has this role in this scope.  Member: ``grant_id``."""

    code = "grant_exists"


class LastAdmin(Declined):
    """A tenant always has an active admin whose role has no expiry; this is the last."""

    code = "last_admin"


class QuotaExceeded(Declined):
    """The tenant may not have so many.  Members: ``quota limit used requested``."""

    code = "quota_exceeded"


class OperationConflict(Declined):
    """Another operation holds the resource.  Members say which, and until when."""

    code = "operation_conflict"


class TooLate(Declined):
    """The operation has ended, or is past what was asked of it."""

    code = "operation_done"


class NotCancellable(Declined):
    """The operation goes only forward: there is no way back to cancel it to."""

    code = "not_cancellable"


class NotRunning(Declined):
    """The cluster or node pool is not ``running``, so this cannot be done to it now."""

    code = "not_running"


class NoPrice(Declined):
    """There is no price for this in the tenant's currency.  Member: ``sku``."""

    code = "no_price"


class TenantSuspended(Declined):
    """The tenant is suspended: it can read, but not change anything."""

    code = "tenant_suspended"


class IdempotencyKeyReused(Declined):
    """The same key was used for another request."""

    code = "idempotency_key_reused"


class NotAvailableYet(Invalid):
    """A field, parameter or value of the contract that this version does not support."""

    code = "not_available_yet"


class NotBuiltYet(Declined):
    """A whole route, or a case of one, that this version does not support."""

    code = "not_available_yet"


class PreconditionFailed(Declined):
    """``If-Match`` does not match the resource's current state; nothing was changed."""

    code = "precondition_failed"


class Superseded(Declined):
    """The operation belongs to another run, or has ended: stop, and touch nothing."""

    code = "superseded"


class TurnedBack(Declined):
    """The operation is being undone, and there is no way forward from there."""

    code = "turned_back"


class NoCapacity(Declined):
    """The provider has no room for this now."""

    code = "no_capacity"


class ProviderQuota(Declined):
    """The provider grants us no more of this now."""

    code = "provider_quota_exceeded"
