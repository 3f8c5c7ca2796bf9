"""Every route of the tenants' API: the table that reading, OpenAPI and tests go by."""

from api import catalogue, clusters, operations
from api.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *clusters.ENDPOINTS,
    *operations.ENDPOINTS,
    *catalogue.ENDPOINTS,
)
