"""Every route about who may do what."""

from api.access import checks, grants, roles

ENDPOINTS = (*roles.ENDPOINTS, *grants.ENDPOINTS, *checks.ENDPOINTS)
