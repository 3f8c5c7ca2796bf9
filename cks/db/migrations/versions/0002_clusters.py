"""Clusters, node pools, nodes and namespaces."""

from cks.db.migrations.steps import isolate, run, run_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_file("0002_clusters.sql")
    isolate("clusters", "node_pools", "nodes", "namespaces")


def downgrade() -> None:
    run("DROP TABLE namespaces, nodes, node_pools, clusters")
