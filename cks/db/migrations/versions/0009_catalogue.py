"""The catalogue: Kubernetes versions, instance types, and dated prices."""

from cks.db.migrations.steps import run, run_file, share

revision = "0009"
down_revision = "0008"

TABLES = ("kubernetes_minors", "kubernetes_patches", "instance_types", "price_list")


def upgrade() -> None:
    run_file("0009_catalogue.sql")
    share(*TABLES)
    run(f"REVOKE INSERT, UPDATE, DELETE ON {', '.join(TABLES)} FROM cks_app")


def downgrade() -> None:
    run("DROP TABLE price_list, instance_types, kubernetes_patches, kubernetes_minors")
    run("DROP FUNCTION price_is_dated")
