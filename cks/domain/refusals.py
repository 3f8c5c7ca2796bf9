"""The ways in which the service says no.

A refusal is an answer, not a bug: ``api/http/problems.py`` maps it to a status code, an activity
to a failure that is not retried.  Everything else that is raised is a bug or weather.

Each class has a stable ``code``.  The message is the tenant's half and names nothing of the
machinery; ``note`` is the operator's half and goes to logs alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong field: where (RFC 6901 pointer), which rule (stable code), and why."""

    pointer: str
    code: str
    detail: str


class Declined(Exception):  # noqa: N818
    """A request the service understood and will not carry out."""

    code: ClassVar[str] = "declined"

    def __init__(
        self, detail: str, *, note: str = "", members: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.note = note
        self.members = dict(members or {})


class NotFound(Declined):
    """There is no such thing, or the caller may not see it: the two look the same."""

    code = "not_found"


class Forbidden(Declined):
    """The caller sees it and may not do this to it.  Member: ``missing``, permissions by name."""

    code = "forbidden"


class Unauthenticated(Declined):
    """There is no token, or it is not one of ours, or it has ended, or its user has."""

    code = "unauthenticated"


class Invalid(Declined):
    """Well-formed and not acceptable; names every wrong field at once."""

    code = "invalid"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{f.pointer or '/'}: {f.detail}" for f in faults))
        self.faults = tuple(faults)


class NameTaken(Declined):
    """Another resource of the tenant has this name."""

    code = "name_taken"


class RoleInUse(Declined):
    """A role that somebody has is not deleted.  Members: ``users``, ``count``."""

    code = "role_in_use"


class GrantExists(Declined):
    """The user has this role there already.  Member: ``grant_id``."""

    code = "grant_exists"


class LastAdmin(Declined):
    """A tenant always has an active admin whose grant has no end; this was the last."""

    code = "last_admin"


class QuotaExceeded(Declined):
    """The tenant may not have that many.  Members: ``quota limit used requested``."""

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
    """The tenant is suspended: it reads, and changes nothing."""

    code = "tenant_suspended"


class IdempotencyKeyReused(Declined):
    """The same key came with another request."""

    code = "idempotency_key_reused"


class NotAvailableYet(Invalid):
    """A field, parameter or value that the contract has and this version does not."""

    code = "not_available_yet"


class NotBuiltYet(Declined):
    """A whole route, or a whole case of one, that this version does not have."""

    code = "not_available_yet"


class PreconditionFailed(Declined):
    """``If-Match`` names another state than the resource is in; nothing was changed."""

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
