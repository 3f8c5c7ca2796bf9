"""``cks admin catalogue`` and ``cks admin price``: what changes without a release."""

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from cks import catalogue
from cks.catalogue import CURRENCY_FORM, FORMS, BadCatalogue
from cks.cli.answers import database_url, run, show
from cks.db.admin import prices
from cks.db.admin.catalogue import import_file
from cks.db.admin.prices import PriceChange
from cks.db.models.tenants import PLATFORM

A_TIME = "must be an RFC 3339 time in whole seconds, such as 2027-01-01T00:00:00Z"
A_PRICE = "must be a price such as 0.096: not negative, with at most 10 decimal places"


def register(group: click.Group) -> None:
    """Add ``catalogue`` and ``price`` to ``cks admin``."""
    group.add_command(catalogue_)
    group.add_command(price)


class Instant(click.ParamType[datetime]):
    """An instant at a whole second."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(A_TIME, param, ctx)
        if at.tzinfo is None or at.microsecond:
            self.fail(A_TIME, param, ctx)
        return at.astimezone(UTC)


class Amount(click.ParamType[Decimal]):
    """A price, exactly."""

    name = "price"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            self.fail(A_PRICE, param, ctx)
        if not amount.is_finite() or not 0 <= amount < 10**9 or amount != round(amount, 10):
            self.fail(A_PRICE, param, ctx)
        return amount


class Currency(click.ParamType[str]):
    """A currency's code."""

    name = "currency"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        if not re.fullmatch(CURRENCY_FORM, str(value)):
            self.fail(FORMS[CURRENCY_FORM], param, ctx)
        return str(value)


FROM = click.option(
    "--from", "valid_from", type=Instant(), help="When it takes effect; now if omitted."
)
TENANT = click.option("--tenant", help="The tenant, by id or name; everybody if omitted.")
CURRENCY = click.option("--currency", default="USD", show_default=True, type=Currency())


@click.group("catalogue")
def catalogue_() -> None:
    """Manage the Kubernetes versions and instance types on offer."""


@catalogue_.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@FROM
def import_(file: Path, valid_from: datetime | None) -> None:
    """Replace the catalogue with FILE; whatever FILE does not list is withdrawn."""
    try:
        wanted = catalogue.parse(file.read_bytes())
    except BadCatalogue as error:
        raise click.ClickException(f"{file}: {error}") from error
    show(run(import_file(database_url(), wanted, valid_from)))


@click.group()
def price() -> None:
    """Manage dated prices; a price is never changed, only ended, and never in the past."""


@price.command("add")
@click.option("--sku", required=True, help="control_plane, disk, or node.<instance type>.")
@click.option(
    "--unit-price", required=True, type=Amount(), help="Per hour; for disk, per GiB-month."
)
@CURRENCY
@TENANT
@FROM
def add_price(
    sku: str,
    unit_price: Decimal,
    currency: str,
    tenant: str | None,
    valid_from: datetime | None,
) -> None:
    """Start a price and end the previous one; do nothing if it is the same already."""
    asked = PriceChange({sku: unit_price}, currency, PLATFORM, valid_from)
    show(*run(prices.add(database_url(), tenant, asked)))


@price.command("end")
@click.option("--sku", required=True)
@CURRENCY
@TENANT
@FROM
def end_price(sku: str, currency: str, tenant: str | None, valid_from: datetime | None) -> None:
    """End a price without a successor: a tenant's own, so that everybody's applies again."""
    asked = PriceChange({}, currency, PLATFORM, valid_from)
    run(prices.end(database_url(), tenant, sku, asked))


@price.command("list")
def list_prices() -> None:
    """Print all past, present and future prices, one JSON object per line."""
    show(*run(prices.listing(database_url())))
