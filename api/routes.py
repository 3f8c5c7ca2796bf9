"""Every route of the tenants' API: the table that reading, OpenAPI and tests go by."""

from api import billing, catalogue, clusters, operations, tenant
from api.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *clusters.ENDPOINTS,
    *operations.ENDPOINTS,
    *catalogue.ENDPOINTS,
    *billing.ENDPOINTS,
    *tenant.ENDPOINTS,
)
