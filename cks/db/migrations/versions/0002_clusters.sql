CREATE TABLE clusters (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  name VARCHAR(128) NOT NULL,
  status VARCHAR(32) NOT NULL
    CHECK (status IN ('pending', 'provisioning', 'running', 'upgrading', 'deleting', 'failed')),
  version VARCHAR(32) NOT NULL,
  networking JSONB NOT NULL CHECK (jsonb_typeof(networking) = 'object'),
  tags JSONB,
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  created_by UUID,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  endpoint VARCHAR(255),
  generation BIGINT NOT NULL DEFAULT 1,
  observed_generation BIGINT NOT NULL DEFAULT 0,
  conditions JSONB NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(conditions) = 'array'),
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, created_by) REFERENCES users (tenant_id, id)
    ON DELETE SET NULL (created_by)
);
CREATE UNIQUE INDEX clusters_name_per_tenant ON clusters (tenant_id, lower(name));
CREATE INDEX ON clusters (tenant_id, created_by);
CREATE INDEX ON clusters (tenant_id, status);

CREATE TABLE node_pools (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  cluster_id UUID NOT NULL,
  name VARCHAR(64) NOT NULL,
  node_count INT NOT NULL,
  min_nodes INT NOT NULL,
  max_nodes INT NOT NULL,
  instance_type VARCHAR(64) NOT NULL,
  disk_size INT NOT NULL CHECK (disk_size > 0),
  labels JSONB CHECK (jsonb_typeof(labels) = 'object'),
  taints JSONB CHECK (jsonb_typeof(taints) = 'array'),
  status VARCHAR(32) NOT NULL DEFAULT 'pending'
    CHECK (status IN ('pending', 'provisioning', 'running', 'upgrading', 'deleting', 'failed')),
  version VARCHAR(32) NOT NULL,
  ready_count INT NOT NULL DEFAULT 0 CHECK (ready_count >= 0),
  generation BIGINT NOT NULL DEFAULT 1,
  observed_generation BIGINT NOT NULL DEFAULT 0,
  conditions JSONB NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(conditions) = 'array'),
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id),
  CHECK (min_nodes >= 0 AND min_nodes <= max_nodes),
  CHECK (node_count BETWEEN min_nodes AND max_nodes),
  FOREIGN KEY (tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX node_pools_name_per_cluster ON node_pools (tenant_id, cluster_id, name);

CREATE TABLE nodes (
  id UUID PRIMARY KEY,
  tenant_id UUID NOT NULL,
  node_pool_id UUID NOT NULL,
  name VARCHAR(128) NOT NULL,
  status VARCHAR(16) NOT NULL CHECK (status IN ('pending', 'ready', 'deleting')),
  version VARCHAR(32) NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, node_pool_id) REFERENCES node_pools (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX ON nodes (tenant_id, node_pool_id);

CREATE TABLE namespaces (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  name VARCHAR(128) NOT NULL,
  status VARCHAR(32) NOT NULL CHECK (status IN ('active', 'terminating', 'failed')),
  cluster_id UUID NOT NULL,
  labels JSONB CHECK (jsonb_typeof(labels) = 'object'),
  annotations JSONB CHECK (jsonb_typeof(annotations) = 'object'),
  quotas JSONB CHECK (jsonb_typeof(quotas) = 'object'),
  usage JSONB CHECK (jsonb_typeof(usage) = 'object'),
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  created_by UUID,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, cluster_id, id),
  FOREIGN KEY (tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, created_by) REFERENCES users (tenant_id, id)
    ON DELETE SET NULL (created_by)
);
CREATE UNIQUE INDEX namespaces_name_per_cluster ON namespaces (tenant_id, cluster_id, name);
CREATE INDEX ON namespaces (tenant_id, created_by);
