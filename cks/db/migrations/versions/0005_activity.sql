CREATE TABLE activity_logs (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  user_id UUID,
  action VARCHAR(128) NOT NULL,
  resource_type VARCHAR(64),
  resource_id UUID,
  timestamp TIMESTAMPTZ NOT NULL DEFAULT now(),
  status VARCHAR(16) NOT NULL CHECK (status IN ('success', 'failure', 'denied')),
  seq BIGINT NOT NULL,
  request_id VARCHAR(64),
  actor_type VARCHAR(16) NOT NULL DEFAULT 'user'
    CHECK (actor_type IN ('user', 'token', 'workflow', 'system')),
  token_id UUID,
  actor_digest BYTEA,
  address_digest BYTEA,
  agent_digest BYTEA,
  permission VARCHAR(64),
  reason TEXT,
  detail JSONB,
  prev_hash BYTEA,
  hash BYTEA,
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, seq)
);
CREATE INDEX activity_recent ON activity_logs (tenant_id, timestamp DESC, id);
CREATE INDEX activity_of_resource
  ON activity_logs (tenant_id, resource_type, resource_id, timestamp DESC);

-- Deleting a person's rows here erases them; the chain holds digests, and still verifies.
CREATE TABLE log_people (
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  user_id UUID NOT NULL,
  kind VARCHAR(8) NOT NULL CHECK (kind IN ('actor', 'address', 'agent')),
  value TEXT NOT NULL,
  salt BYTEA NOT NULL CHECK (length(salt) >= 16),
  digest BYTEA NOT NULL CHECK (digest = sha256(salt || convert_to(value, 'UTF8'))),
  PRIMARY KEY (tenant_id, digest),
  UNIQUE (tenant_id, user_id, kind, value)
);

CREATE TABLE audit_heads (
  tenant_id UUID PRIMARY KEY REFERENCES tenants ON DELETE RESTRICT,
  seq BIGINT NOT NULL,
  hash BYTEA NOT NULL
);

CREATE FUNCTION audit_payload(a activity_logs) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT convert_to(jsonb_build_array(
    a.tenant_id, a.seq, a.id, a.user_id, a.actor_type, encode(a.actor_digest, 'hex'), a.token_id,
    a.action, a.resource_type, a.resource_id,
    to_char(a.timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
    a.status, a.request_id, encode(a.address_digest, 'hex'), encode(a.agent_digest, 'hex'),
    a.permission, a.reason, a.detail)::text, 'UTF8')
$$;

CREATE FUNCTION audit_chain() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  head audit_heads;
BEGIN
  INSERT INTO audit_heads VALUES (NEW.tenant_id, 0, '\x00') ON CONFLICT DO NOTHING;
  SELECT * INTO head FROM audit_heads WHERE tenant_id = NEW.tenant_id FOR UPDATE;
  NEW.seq := head.seq + 1;
  NEW.prev_hash := head.hash;
  NEW.hash := sha256(head.hash || audit_payload(NEW));
  UPDATE audit_heads SET seq = NEW.seq, hash = NEW.hash WHERE tenant_id = NEW.tenant_id;
  RETURN NEW;
END
$$;
CREATE TRIGGER a_chain BEFORE INSERT ON activity_logs
  FOR EACH ROW EXECUTE FUNCTION audit_chain();
CREATE TRIGGER a_append_only BEFORE UPDATE OR DELETE ON activity_logs
  FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TRIGGER a_no_truncate BEFORE TRUNCATE ON activity_logs
  FOR EACH STATEMENT EXECUTE FUNCTION refuse();
