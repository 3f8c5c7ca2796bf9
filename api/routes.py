"""Every route of the tenants' API: the table that reading, OpenAPI and tests go by."""

from api.access import checks, grants, roles
from api.billing import estimates
from api.catalogue import catalogue
from api.clusters import clusters
from api.http.endpoint import Endpoint
from api.operations import operations
from api.people import users
from api.tenants import tenant

ENDPOINTS: tuple[Endpoint, ...] = (
    *clusters.ENDPOINTS,
    *operations.ENDPOINTS,
    *catalogue.ENDPOINTS,
    *estimates.ENDPOINTS,
    *tenant.ENDPOINTS,
    *users.ENDPOINTS,
    *roles.ENDPOINTS,
    *grants.ENDPOINTS,
    *checks.ENDPOINTS,
)
