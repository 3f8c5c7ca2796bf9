"""Every route of the tenants' API: the table that reading, OpenAPI and tests go by.

Each area says in one place which are its own: an area of several modules, in its ``routes``.
"""

from api.access import routes as access
from api.billing import estimates as billing
from api.catalogue import catalogue
from api.clusters import routes as clusters
from api.http.endpoint import Endpoint
from api.operations import operations
from api.people import users as people
from api.tenants import tenant as tenants

ENDPOINTS: tuple[Endpoint, ...] = (
    *clusters.ENDPOINTS,
    *operations.ENDPOINTS,
    *catalogue.ENDPOINTS,
    *billing.ENDPOINTS,
    *tenants.ENDPOINTS,
    *people.ENDPOINTS,
    *access.ENDPOINTS,
)
