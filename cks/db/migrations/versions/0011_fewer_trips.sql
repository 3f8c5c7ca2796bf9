-- What every request asks, in one trip each.  The rights inside are the app's own (SECURITY
-- INVOKER): row security holds, by the tenant that each function sets before it looks at anything.

-- Tokens that open the API: alive, of an active user, of a tenant that is not closed.
CREATE VIEW living_tokens WITH (security_invoker = true) AS
  SELECT t.tenant_id, t.token, t.id AS token_id, u.id AS user_id, u.email,
         t.last_used IS NULL OR t.last_used < now() - interval '1 minute' AS stale,
         tenants.status = 'suspended' AS suspended
    FROM user_tokens t
    JOIN users u ON (u.tenant_id, u.id) = (t.tenant_id, t.user_id)
    JOIN tenants ON tenants.id = t.tenant_id
   WHERE t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
     AND u.status = 'active' AND tenants.status <> 'closed';

-- Who comes with a token, and whether they may.  No row: it opens nothing.  Its last use is kept
-- to the minute, so that reads seldom write.
CREATE FUNCTION enter(tenant uuid, digest text, needed text)
RETURNS TABLE (token_id uuid, user_id uuid, email varchar, at timestamptz, allowed boolean,
               suspended boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  is_stale boolean;
BEGIN
  PERFORM set_config('app.tenant_id', tenant::text, true);
  SELECT t.token_id, t.user_id, t.email, now(), t.suspended, t.stale,
         needed IS NULL OR EXISTS (SELECT FROM can(t.user_id, needed))
    INTO token_id, user_id, email, at, suspended, is_stale, allowed
    FROM living_tokens t WHERE t.token = digest;
  IF token_id IS NULL THEN
    RETURN;
  END IF;
  IF is_stale THEN
    UPDATE user_tokens u SET last_used = now() WHERE u.id = (
      SELECT s.id FROM user_tokens s WHERE s.id = token_id FOR UPDATE SKIP LOCKED);
  END IF;
  RETURN NEXT;
END
$$;

-- One operation as its tenant sees it, and whether who asks may.  No row: the token opens nothing.
-- An operation that the tenant does not have is a row without `type`.  The last event is how the
-- operation stands.
CREATE FUNCTION read_operation(tenant uuid, digest text, needed text, wanted uuid)
RETURNS TABLE (
  token_id uuid, user_id uuid, email varchar, at timestamptz, allowed boolean, suspended boolean,
  type varchar, resource_type varchar, resource_id uuid, resource_name varchar, cluster_id uuid,
  request jsonb, created_at timestamptz, actor_id uuid, actor_email varchar, actor_token_id uuid,
  workflow_id varchar, event jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  who record;
BEGIN
  SELECT * INTO who FROM enter(tenant, digest, needed);
  IF who.token_id IS NULL THEN
    RETURN;
  END IF;
  RETURN QUERY
  SELECT who.token_id, who.user_id, who.email, who.at, who.allowed, who.suspended,
         o.type, o.resource_type, o.resource_id, o.resource_name, o.cluster_id, o.request,
         o.created_at, o.actor_id, c.email, o.token_id, o.workflow_id, e.event
    FROM (VALUES (wanted)) AS w (id)
    LEFT JOIN operations o ON o.id = w.id
    LEFT JOIN users c ON c.id = o.created_by
    LEFT JOIN LATERAL (SELECT v.event FROM operation_events v WHERE v.operation_id = o.id
                        ORDER BY v.seq DESC LIMIT 1) e ON true;
END
$$;

-- What of each limit is used, counted when its row is locked: the second statement sees what those
-- had done who held the lock before.  Pools are summed up cluster by cluster: a planner that takes
-- a tenant for small would join each pool with each cluster.
CREATE FUNCTION lock_quotas(wanted text[])
RETURNS TABLE (quota varchar, maximum int, used bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM FROM quotas q WHERE q.quota = ANY (wanted) ORDER BY q.quota FOR UPDATE;
  RETURN QUERY
  SELECT q.quota, q.maximum, CASE q.quota
      WHEN 'clusters' THEN (SELECT count(*) FROM clusters c WHERE c.status <> 'failed') + (
        SELECT count(DISTINCT s.operation_id) FROM operation_steps s
         WHERE s.orphaned_at IS NOT NULL AND s.undone_at IS NULL)
      WHEN 'nodes' THEN (SELECT coalesce(sum(of_one.nodes), 0)::bigint FROM clusters c, LATERAL (
        SELECT sum(p.node_count) AS nodes FROM node_pools p
         WHERE (p.tenant_id, p.cluster_id) = (c.tenant_id, c.id)) AS of_one
         WHERE c.status <> 'failed')
    END FROM quotas q WHERE q.quota = ANY (wanted);
END
$$;

-- As before, in two statements instead of three: a tenant's first line alone has no head yet.
CREATE OR REPLACE FUNCTION audit_chain() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  head audit_heads;
BEGIN
  LOOP
    SELECT * INTO head FROM audit_heads WHERE tenant_id = NEW.tenant_id FOR UPDATE;
    EXIT WHEN FOUND;
    INSERT INTO audit_heads VALUES (NEW.tenant_id, 0, '\x00') ON CONFLICT DO NOTHING;
  END LOOP;
  NEW.seq := head.seq + 1;
  NEW.prev_hash := head.hash;
  NEW.hash := sha256(head.hash || audit_payload(NEW));
  UPDATE audit_heads SET seq = NEW.seq, hash = NEW.hash WHERE tenant_id = NEW.tenant_id;
  RETURN NEW;
END
$$;
