"""Every route about clusters and what is in them."""

from api.clusters import clusters, node_pools

ENDPOINTS = (*clusters.ENDPOINTS, *node_pools.ENDPOINTS)
