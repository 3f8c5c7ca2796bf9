"""The one place where a refusal becomes a failure that is not retried."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from temporalio.exceptions import ApplicationError

from cks.domain.refusals import Declined

Self = TypeVar("Self")
Params = ParamSpec("Params")
Result = TypeVar("Result")


def refusing(
    method: Callable[Concatenate[Self, Params], Awaitable[Result]],
) -> Callable[Concatenate[Self, Params], Awaitable[Result]]:
    """Let an activity raise ``Declined``: asking again would change nothing."""

    @wraps(method)
    async def translated(self: Self, /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        try:
            return await method(self, *args, **kwargs)
        except Declined as no:
            raise ApplicationError(no.detail, type=no.code, non_retryable=True) from no

    return translated
