"""What a tenant pays now: its own prices take precedence over everybody's."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cks.domain.billing.prices import Tariff, Unit, per_hour

IN_FORCE = sa.text("""
SELECT t.currency, p.sku, p.unit, p.unit_price
  FROM tenants t LEFT JOIN price_list p
    ON p.currency = t.currency AND p.valid_from <= now()
   AND (p.valid_to IS NULL OR p.valid_to > now())
 WHERE t.id = current_setting('app.tenant_id')::uuid
 ORDER BY p.tenant_id = t.id
""")
"""If a SKU has two prices, the tenant's own comes last, and so it wins in the mapping."""


async def current_tariff(session: AsyncSession) -> Tariff:
    """Return what the transaction's tenant pays now."""
    found = (await session.execute(IN_FORCE)).all()
    hourly = {row.sku: per_hour(row.unit_price, Unit(row.unit)) for row in found if row.sku}
    return Tariff(found[0].currency, hourly)
