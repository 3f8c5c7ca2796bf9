"""Clusters, their node pools, and the pools' nodes.

``generation`` rises with each request, ``observed_generation`` is the one last fulfilled, and
``conditions`` are Kubernetes' own.  ``node_count`` is what is so, not what was asked for.
"""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from cks.db.models.base import (
    Base,
    Big,
    Created,
    Document,
    Key,
    Str16,
    Str32,
    Str64,
    Str128,
    Str255,
    TenantOwned,
    Touched,
    tenant_key,
    within,
    words,
)
from cks.domain.clusters.clusters import ClusterStatus


class Cluster(TenantOwned, Base):
    __tablename__ = "clusters"
    __table_args__ = (
        tenant_key(),
        within("users", "created_by", "SET NULL"),
        sa.Index("clusters_name_per_tenant", "tenant_id", sa.text("lower(name)"), unique=True),
        sa.Index(None, "tenant_id", "created_by"),
        sa.Index(None, "tenant_id", "status"),
    )

    id: Mapped[Key]
    name: Mapped[Str128]
    status: Mapped[ClusterStatus] = mapped_column(words(ClusterStatus, 32))
    version: Mapped[Str32]
    networking: Mapped[dict[str, str]]
    tags: Mapped[dict[str, str] | None]
    created_by: Mapped[UUID | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Touched]
    endpoint: Mapped[Str255 | None]
    generation: Mapped[Big] = mapped_column(server_default="1")
    observed_generation: Mapped[Big] = mapped_column(server_default="0")
    conditions: Mapped[list[Document]] = mapped_column(server_default="[]")


class NodePool(TenantOwned, Base):
    """Like machines of one cluster.  ``disk_size`` in GiB."""

    __tablename__ = "node_pools"
    __table_args__ = (
        tenant_key(),
        within("clusters", "cluster_id"),
        sa.Index("node_pools_name_per_cluster", "tenant_id", "cluster_id", "name", unique=True),
    )

    id: Mapped[Key]
    cluster_id: Mapped[UUID]
    name: Mapped[Str64]
    node_count: Mapped[int]
    min_nodes: Mapped[int]
    max_nodes: Mapped[int]
    instance_type: Mapped[Str64]
    disk_size: Mapped[int]
    labels: Mapped[dict[str, str] | None]
    taints: Mapped[list[dict[str, str]] | None]
    status: Mapped[ClusterStatus] = mapped_column(
        words(ClusterStatus, 32), server_default="pending"
    )
    version: Mapped[Str32]
    ready_count: Mapped[int] = mapped_column(server_default="0")
    generation: Mapped[Big] = mapped_column(server_default="1")
    observed_generation: Mapped[Big] = mapped_column(server_default="0")
    conditions: Mapped[list[Document]] = mapped_column(server_default="[]")
    created_at: Mapped[Created]
    updated_at: Mapped[Touched]


class Node(Base):
    """A machine as the provider last showed it; its id is the provider's."""

    __tablename__ = "nodes"
    __table_args__ = (
        tenant_key(),
        within("node_pools", "node_pool_id"),
        sa.Index(None, "tenant_id", "node_pool_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID]
    node_pool_id: Mapped[UUID]
    name: Mapped[Str128]
    status: Mapped[Str16]
    version: Mapped[Str32]
    created_at: Mapped[Created]
    updated_at: Mapped[Touched]
