"""The sections of the reference; each endpoint names its own."""

from api.http.endpoint import Tag

ACCESS = Tag("access", "Roles, permissions and access checks")
CATALOGUE = Tag("catalogue", "Versions, instance types and prices")
CLUSTERS = Tag("clusters", "Clusters and their node pools")
OPERATIONS = Tag("operations", "Long-running changes and their progress")
TENANT = Tag("tenant", "The tenant's settings")
USERS = Tag("users", "Users and their grants")
