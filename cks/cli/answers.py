"""How a command of ``cks admin`` reaches the database, and what it prints.

An answer is JSON on stdout, an object a line; what goes wrong is one line on stderr and exit
status 1.
"""

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import Field, asdict
from typing import Any, ClassVar, Protocol, TypeVar

import click

from cks import settings
from cks.db.admin.connection import NoDatabase, NotDone

Made = TypeVar("Made")


class Answer(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


def database_url() -> str:
    """Return the owner's way in: what is set, or what ``make dev`` wrote."""
    return settings.load(development=True).database_url


def run(work: Coroutine[Any, Any, Made]) -> Made:
    """Do the work on the database, and say in one line why it could not be done."""
    try:
        return asyncio.run(work)
    except NoDatabase as error:
        raise click.ClickException(f"{error} Start `make dev`, or set CKS_DATABASE_URL.") from error
    except NotDone as error:
        raise click.ClickException(str(error)) from error


def show(*answers: Answer) -> None:
    """Print each answer on a line of its own."""
    for answer in answers:
        click.echo(json.dumps(asdict(answer), default=str))
