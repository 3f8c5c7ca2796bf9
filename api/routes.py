"""Every route of the tenants' API: the table that reading, OpenAPI and tests go by."""

from api import access, billing, catalogue, clusters, grants, operations, people, roles, tenant
from api.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *clusters.ENDPOINTS,
    *operations.ENDPOINTS,
    *catalogue.ENDPOINTS,
    *billing.ENDPOINTS,
    *tenant.ENDPOINTS,
    *people.ENDPOINTS,
    *roles.ENDPOINTS,
    *grants.ENDPOINTS,
    *access.ENDPOINTS,
)
