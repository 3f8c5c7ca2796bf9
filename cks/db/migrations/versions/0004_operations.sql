CREATE SEQUENCE fences;
CREATE SEQUENCE claim_slots;

CREATE TABLE operations (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  type VARCHAR(64) NOT NULL,
  status VARCHAR(32) NOT NULL DEFAULT 'pending'
    CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
  resource_type VARCHAR(32) NOT NULL,
  resource_id UUID NOT NULL,
  resource_name VARCHAR(128),
  progress INT NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
  started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  completed_at TIMESTAMPTZ,
  error TEXT,
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  created_by UUID,
  cluster_id UUID,
  request JSONB,
  actor_id UUID,
  run_id VARCHAR(64),
  fence BIGINT,
  ending VARCHAR(16) CHECK (ending IN ('failed', 'cancelled')),
  workflow_id VARCHAR(255),
  cancel_requested_at TIMESTAMPTZ,
  paused_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  runnable_at TIMESTAMPTZ,
  dispatched_at TIMESTAMPTZ,
  held_until TIMESTAMPTZ,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  failure JSONB CHECK (jsonb_typeof(failure) = 'object'),
  token_id UUID,
  request_id VARCHAR(64),
  UNIQUE (tenant_id, id),
  CHECK ((status IN ('completed', 'failed', 'cancelled')) = (completed_at IS NOT NULL)),
  CHECK ((status = 'completed') = (progress = 100)),
  CHECK (status <> 'failed' OR error IS NOT NULL),
  CHECK (status <> 'completed' OR ending IS NULL),
  FOREIGN KEY (tenant_id, created_by) REFERENCES users (tenant_id, id)
    ON DELETE SET NULL (created_by)
);
CREATE INDEX operations_live ON operations (status, runnable_at)
  WHERE status IN ('pending', 'running');
CREATE INDEX operations_settled ON operations (updated_at)
  WHERE status IN ('completed', 'failed', 'cancelled') AND dispatched_at IS NOT NULL;
CREATE INDEX operations_newest ON operations (tenant_id, created_at DESC, id DESC);
CREATE INDEX operations_of_resource ON operations (tenant_id, resource_id, created_at DESC);
CREATE INDEX operations_of_cluster ON operations (tenant_id, cluster_id, created_at DESC);
CREATE INDEX ON operations (tenant_id, created_by);

CREATE FUNCTION operation_moves() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  wrong text := CASE
    WHEN OLD.status IN ('completed', 'failed', 'cancelled')
      AND (NEW.status, NEW.completed_at, NEW.ending, NEW.error, NEW.failure)
        IS DISTINCT FROM (OLD.status, OLD.completed_at, OLD.ending, OLD.error, OLD.failure)
      THEN 'its outcome stays'
    WHEN NEW.progress < OLD.progress THEN 'its progress never falls'
    WHEN OLD.ending IS NOT NULL AND NEW.ending IS DISTINCT FROM OLD.ending THEN 'its ending stays'
    WHEN OLD.fence IS NOT NULL AND (NEW.fence IS NULL OR NEW.fence < OLD.fence)
      THEN 'its fence never falls'
  END;
BEGIN
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'operation %: %', OLD.id, wrong
      USING ERRCODE = 'check_violation', CONSTRAINT = 'operation_moves';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER operation_moves BEFORE UPDATE ON operations
  FOR EACH ROW EXECUTE FUNCTION operation_moves();

CREATE TABLE operation_steps (
  tenant_id UUID NOT NULL,
  operation_id UUID NOT NULL,
  position INT NOT NULL,
  name VARCHAR(80) NOT NULL,
  title VARCHAR(200) NOT NULL,
  weight INT NOT NULL CHECK (weight > 0),
  status VARCHAR(16) NOT NULL DEFAULT 'pending'
    CHECK (status IN ('pending', 'running', 'completed', 'failed', 'undone')),
  fraction DOUBLE PRECISION NOT NULL DEFAULT 0 CHECK (fraction BETWEEN 0 AND 1),
  attempt INT NOT NULL DEFAULT 0,
  started_at TIMESTAMPTZ,
  completed_at TIMESTAMPTZ,
  failing_since TIMESTAMPTZ,
  last_error TEXT,
  resource_id UUID,
  PRIMARY KEY (operation_id, position),
  UNIQUE (operation_id, name),
  FOREIGN KEY (tenant_id, operation_id) REFERENCES operations (tenant_id, id) ON DELETE CASCADE
);

-- Over operations ids commit out of order: a reader of all goes by (xid, id) and stops below
-- pg_snapshot_xmin(pg_current_snapshot()), so that nothing which commits late is skipped.
CREATE TABLE operation_events (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  tenant_id UUID NOT NULL,
  operation_id UUID NOT NULL,
  seq INT NOT NULL,
  xid XID8 NOT NULL DEFAULT pg_current_xact_id(),
  at TIMESTAMPTZ NOT NULL DEFAULT now(),
  event JSONB NOT NULL,
  PRIMARY KEY (operation_id, seq),
  FOREIGN KEY (tenant_id, operation_id) REFERENCES operations (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX operation_events_in_order ON operation_events (tenant_id, xid, id);

-- A writer's slot is (,), which overlaps every other; a reader's is [n,n+1), from claim_slots.
CREATE TABLE operation_claims (
  tenant_id UUID NOT NULL,
  operation_id UUID NOT NULL,
  resource_id UUID NOT NULL,
  slot INT8RANGE NOT NULL CHECK (NOT isempty(slot)),
  PRIMARY KEY (operation_id, resource_id),
  FOREIGN KEY (tenant_id, operation_id) REFERENCES operations (tenant_id, id) ON DELETE CASCADE,
  CONSTRAINT one_writer_or_many_readers EXCLUDE USING gist (
    uuidrange(resource_id, resource_id, '[]') WITH &&, slot WITH &&)
);

CREATE TABLE idempotency_keys (
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  token_id UUID NOT NULL,
  method VARCHAR(8) NOT NULL,
  path VARCHAR(512) NOT NULL,
  key VARCHAR(255) NOT NULL,
  request_digest CHAR(64) NOT NULL,
  operation_id UUID,
  answer_status INT,
  answer JSONB,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, token_id, method, path, key)
);
CREATE INDEX ON idempotency_keys (created_at);
