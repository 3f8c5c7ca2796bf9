"""The sections of the reference; each endpoint names the one that it stands in."""

from api.http.endpoint import Tag

ACCESS = Tag("access", "Roles, grants, and who may do what")
CATALOGUE = Tag("catalogue", "What can be ordered, and what it costs")
CLUSTERS = Tag("clusters", "Clusters and their node pools")
OPERATIONS = Tag("operations", "Changes that take time, and their progress")
TENANT = Tag("tenant", "The tenant's own settings")
USERS = Tag("users", "The people of the tenant, and you")
