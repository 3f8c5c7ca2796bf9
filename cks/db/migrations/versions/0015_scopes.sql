-- Who may do what, at three scopes, decided by one truth: `bindings` are all that anybody was ever
-- given, each with what keeps it from counting; `permitted`, what those would allow;
-- `effective_permissions`, what they do.  "May", "which" and "why not" are questions to these.

ALTER TABLE rbac_permissions ADD COLUMN lowest_scope VARCHAR(16) NOT NULL DEFAULT 'tenant'
  CHECK (lowest_scope IN ('tenant', 'cluster', 'namespace'));
ALTER TABLE rbac_roles ADD COLUMN unprivileged BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE rbac_roles ADD COLUMN generation INT NOT NULL DEFAULT 1;
CREATE UNIQUE INDEX rbac_roles_name_any_case ON rbac_roles (tenant_id, lower(name));
CREATE INDEX ON rbac_user_roles (tenant_id, user_id, cluster_id, namespace_id);
CREATE INDEX ON operations (tenant_id, actor_id);

DROP FUNCTION can;
DROP VIEW effective_permissions, effective_bindings;

CREATE VIEW bindings WITH (security_invoker = true) AS
  SELECT g.tenant_id, g.user_id, g.role_id, r.name AS role, g.cluster_id, g.namespace_id,
         'grant'::text AS via, g.id AS grant_id, g.expires_at,
         CASE WHEN u.status <> 'active' THEN 'user_suspended'
           WHEN r.status <> 'active' THEN 'role_inactive'
           WHEN g.expires_at <= now() THEN 'expired'
           WHEN g.cluster_id IS NULL AND NOT r.tenant_wide THEN 'wrong_scope' END AS miss
    FROM rbac_user_roles g
    JOIN users u ON (u.tenant_id, u.id) = (g.tenant_id, g.user_id)
    JOIN rbac_roles r ON (r.tenant_id, r.id) = (g.tenant_id, g.role_id)
  UNION ALL
  SELECT u.tenant_id, u.id, r.id, r.name, NULL, NULL, 'users.role', NULL, NULL,
         CASE WHEN u.status <> 'active' THEN 'user_suspended'
           WHEN r.status <> 'active' THEN 'role_inactive'
           WHEN NOT r.tenant_wide THEN 'wrong_scope' END
    FROM users u
    JOIN rbac_roles r ON (r.tenant_id, r.name) = (u.tenant_id, u.role);

-- Bound below its lowest scope, a permission is out of reach.
CREATE VIEW permitted WITH (security_invoker = true) AS
  SELECT b.tenant_id, b.user_id, b.role, b.cluster_id, b.namespace_id, b.via, b.grant_id,
         b.expires_at, p.name AS permission,
         CASE WHEN b.namespace_id IS NOT NULL THEN 'namespace'
           WHEN b.cluster_id IS NOT NULL THEN 'cluster' ELSE 'tenant' END AS scope,
         CASE WHEN b.miss IS NOT NULL THEN b.miss
           WHEN b.namespace_id IS NOT NULL AND p.lowest_scope <> 'namespace' THEN 'wrong_scope'
           WHEN b.cluster_id IS NOT NULL AND p.lowest_scope = 'tenant' THEN 'wrong_scope'
           END AS miss
    FROM bindings b
    JOIN rbac_role_permissions rp ON (rp.tenant_id, rp.role_id) = (b.tenant_id, b.role_id)
    JOIN rbac_permissions p ON p.id = rp.permission_id;

CREATE VIEW effective_permissions WITH (security_invoker = true) AS
  SELECT tenant_id, user_id, role, cluster_id, namespace_id, via, grant_id, expires_at, permission,
         scope
    FROM permitted WHERE miss IS NULL;

-- All that allows something at a place; no row: denied.  Three lookups, so that who has ten
-- thousand grants is answered as fast as who has one.  Whether the resource exists is not asked.
CREATE FUNCTION allowing(u uuid, perm text, c uuid, n uuid)
RETURNS TABLE (role varchar, via text, grant_id uuid, scope text, expires_at timestamptz, width int)
LANGUAGE sql STABLE AS $$
  SELECT e.role, e.via, e.grant_id, e.scope, e.expires_at, 0 FROM effective_permissions e
   WHERE e.user_id = u AND e.permission = perm AND e.cluster_id IS NULL
  UNION ALL
  SELECT e.role, e.via, e.grant_id, e.scope, e.expires_at, 1 FROM effective_permissions e
   WHERE e.user_id = u AND e.permission = perm AND e.cluster_id = c AND e.namespace_id IS NULL
  UNION ALL
  SELECT e.role, e.via, e.grant_id, e.scope, e.expires_at, 2 FROM effective_permissions e
   WHERE e.user_id = u AND e.permission = perm AND e.cluster_id = c AND e.namespace_id = n
$$;

-- One check: the widest binding that allows it, as the explanation.
CREATE FUNCTION can(u uuid, perm text, c uuid DEFAULT NULL, n uuid DEFAULT NULL)
RETURNS TABLE (role varchar, via text, grant_id uuid, scope text) LANGUAGE sql STABLE AS $$
  SELECT a.role, a.via, a.grant_id, a.scope FROM allowing(u, perm, c, n) a
   ORDER BY a.width, a.role, a.grant_id LIMIT 1
$$;

-- One list: everywhere that somebody may.  A row without a cluster: in all of the tenant.
CREATE FUNCTION reach(u uuid, perm text) RETURNS TABLE (cluster_id uuid, namespace_id uuid)
LANGUAGE sql STABLE AS $$
  SELECT e.cluster_id, e.namespace_id FROM effective_permissions e
   WHERE e.user_id = u AND e.permission = perm
$$;

-- The clusters, and the operations, that somebody sees: by a right, or because they asked for it.
-- Without a permission, which is what a narrowed token leaves: what was asked for with that token.
CREATE FUNCTION seen_clusters(u uuid, perm text) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
  SELECT k.id FROM clusters k
   WHERE EXISTS (SELECT FROM reach(u, perm) r WHERE r.cluster_id IS NULL)
      OR k.id IN (SELECT r.cluster_id FROM reach(u, perm) r WHERE r.namespace_id IS NULL)
$$;
CREATE FUNCTION seen_operations(u uuid, tok uuid, perm text) RETURNS SETOF uuid
LANGUAGE sql STABLE AS $$
  SELECT o.id FROM operations o
   WHERE o.actor_id = u AND (perm IS NOT NULL OR o.token_id = tok)
  UNION SELECT o.id FROM operations o, reach(u, perm) r
   WHERE o.cluster_id = r.cluster_id AND r.namespace_id IS NULL
  UNION SELECT o.id FROM operations o, reach(u, perm) r
   WHERE o.resource_id = r.namespace_id AND o.resource_type = 'namespace'
  UNION SELECT o.id FROM operations o
   WHERE EXISTS (SELECT FROM reach(u, perm) r WHERE r.cluster_id IS NULL)
$$;

-- What came nearest to allowing something that is not allowed; no row: nothing of theirs lists it.
CREATE FUNCTION nearest_miss(u uuid, perm text, c uuid, n uuid)
RETURNS TABLE (miss text, role varchar, via text, grant_id uuid, scope text, expires_at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT m.miss, m.role, m.via, m.grant_id, m.scope, m.expires_at FROM (
    SELECT p.role, p.via, p.grant_id, p.scope, p.expires_at, CASE
             WHEN p.cluster_id IS NULL
               OR p.cluster_id = c AND (p.namespace_id IS NULL OR p.namespace_id = n)
             THEN coalesce(p.miss, 'wrong_scope') ELSE 'wrong_scope' END AS miss
      FROM permitted p WHERE p.user_id = u AND p.permission = perm) m
   ORDER BY array_position(
     ARRAY['user_suspended', 'role_inactive', 'expired', 'wrong_scope'], m.miss),
     m.expires_at DESC NULLS FIRST, m.role, m.grant_id
   LIMIT 1
$$;

-- What somebody lacks of a role, to hand it out at a place until then (NULL: for ever).  What
-- means nothing at that place is not asked for.
CREATE FUNCTION missing_to_bind(u uuid, r uuid, c uuid, n uuid, until timestamptz)
RETURNS TABLE (permission varchar) LANGUAGE sql STABLE AS $$
  SELECT p.name FROM rbac_role_permissions rp JOIN rbac_permissions p ON p.id = rp.permission_id
   WHERE rp.role_id = r
     AND (c IS NULL OR p.lowest_scope = 'namespace' OR n IS NULL AND p.lowest_scope = 'cluster')
     AND NOT EXISTS (
       SELECT FROM allowing(u, p.name, c, n) a
        WHERE coalesce(a.expires_at, 'infinity') >= coalesce(until, 'infinity'))
   ORDER BY p.name
$$;

-- Whether somebody is an admin at a place until then.
CREATE FUNCTION is_admin(u uuid, c uuid, n uuid, until timestamptz) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT FROM bindings b JOIN rbac_roles r ON (r.tenant_id, r.id) = (b.tenant_id, b.role_id)
     WHERE b.user_id = u AND b.miss IS NULL AND r.builtin AND r.name = 'admin'
       AND (b.cluster_id IS NULL
         OR b.cluster_id = c AND (b.namespace_id IS NULL OR b.namespace_id = n))
       AND coalesce(b.expires_at, 'infinity') >= coalesce(until, 'infinity'))
$$;

-- As before, with what a token is narrowed to.
CREATE OR REPLACE VIEW living_tokens WITH (security_invoker = true) AS
  SELECT t.tenant_id, t.token, t.id AS token_id, u.id AS user_id, u.email,
         t.last_used IS NULL OR t.last_used < now() - interval '1 minute' AS stale,
         tenants.status = 'suspended' AS suspended, t.scopes
    FROM user_tokens t
    JOIN users u ON (u.tenant_id, u.id) = (t.tenant_id, t.user_id)
    JOIN tenants ON tenants.id = t.tenant_id
   WHERE t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
     AND u.status = 'active' AND tenants.status <> 'closed';

-- Whether somebody who may not in all of the tenant may where a request points: `allowed`,
-- `forbidden` (they see it, and may not), or `hidden` (there is no such thing, or they do not see
-- it: the two look the same).  `place` says of what kind `wanted`, `named` is.  `narrowed`: the
-- permissions of the token, if not all.
CREATE FUNCTION decide(u uuid, tok uuid, narrowed text[], needed text, place text, wanted uuid,
                       named text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  sees text := CASE place WHEN 'cluster' THEN 'clusters.read' WHEN 'operation' THEN 'operations.read'
    WHEN 'user' THEN 'users.read' WHEN 'grantee' THEN 'users.read' ELSE 'rbac.read' END;
  may text := CASE WHEN narrowed IS NULL OR needed = ANY (narrowed) THEN needed END;
  c uuid;
  n uuid;
  own boolean := false;
BEGIN
  CASE place
    WHEN 'tenant' THEN
      RETURN 'forbidden';
    WHEN 'own' THEN
      RETURN 'allowed';
    WHEN 'anywhere' THEN
      RETURN CASE WHEN EXISTS (SELECT FROM reach(u, may)) THEN 'allowed' ELSE 'forbidden' END;
    WHEN 'cluster' THEN
      SELECT k.id INTO c FROM clusters k WHERE k.id = wanted OR k.name = named;
    WHEN 'operation' THEN
      SELECT o.cluster_id, CASE o.resource_type WHEN 'namespace' THEN o.resource_id END,
             coalesce(o.actor_id = u, false)
               AND (narrowed IS NULL OR sees = ANY (narrowed) OR coalesce(o.token_id = tok, false))
        INTO c, n, own FROM operations o WHERE o.id = wanted;
    WHEN 'grant' THEN
      SELECT g.cluster_id, g.namespace_id, g.user_id = u
        INTO c, n, own FROM rbac_user_roles g WHERE g.id = wanted;
    WHEN 'role' THEN
      PERFORM FROM rbac_roles r WHERE r.id = wanted;
    ELSE
      SELECT k.id = u INTO own FROM users k WHERE k.id = wanted;
  END CASE;
  IF NOT FOUND THEN
    RETURN 'hidden';
  END IF;
  IF place = 'operation' AND needed = sees AND own OR EXISTS (SELECT FROM can(u, may, c, n)) THEN
    RETURN 'allowed';
  END IF;
  IF NOT own AND (narrowed IS NOT NULL AND sees <> ALL (narrowed)
                  OR NOT EXISTS (SELECT FROM can(u, sees, c, n))) THEN
    RETURN 'hidden';
  END IF;
  IF place = 'grantee' AND EXISTS (SELECT FROM reach(u, may)) THEN
    RETURN 'allowed';
  END IF;
  RETURN 'forbidden';
END
$$;

-- Who comes with a token, and whether they may: `verdict` as in `decide`, `everywhere` if in all of
-- the tenant, `narrowed` to what the token is.  No row: it opens nothing.  Its last use is kept to
-- the minute, so that reads seldom write.
CREATE FUNCTION admit(tenant uuid, digest text, needed text, place text, wanted uuid, named text)
RETURNS TABLE (token_id uuid, user_id uuid, email varchar, at timestamptz, verdict text,
               suspended boolean, everywhere boolean, narrowed text[])
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  is_stale boolean;
  narrow boolean;
BEGIN
  PERFORM set_config('app.tenant_id', tenant::text, true);
  SELECT t.token_id, t.user_id, t.email, now(), t.suspended, t.stale, t.scopes,
         needed IS NULL OR EXISTS (SELECT FROM can(t.user_id, needed)),
         needed IS NOT NULL AND t.scopes IS NOT NULL AND needed <> ALL (t.scopes)
    INTO token_id, user_id, email, at, suspended, is_stale, narrowed, everywhere, narrow
    FROM living_tokens t WHERE t.token = digest;
  IF token_id IS NULL THEN
    RETURN;
  END IF;
  everywhere := everywhere AND NOT narrow;
  verdict := CASE WHEN everywhere THEN 'allowed'
    ELSE decide(user_id, token_id, narrowed, needed, place, wanted, named) END;
  IF is_stale THEN
    UPDATE user_tokens u SET last_used = now() WHERE u.id = (
      SELECT s.id FROM user_tokens s WHERE s.id = token_id FOR UPDATE SKIP LOCKED);
  END IF;
  RETURN NEXT;
END
$$;

-- One operation as somebody sees it.  No row: the token opens nothing.  A row without `type`: they
-- see no such operation.  The last event is how the operation stands.
CREATE FUNCTION show_operation(tenant uuid, digest text, needed text, wanted uuid)
RETURNS TABLE (
  token_id uuid, user_id uuid, email varchar, at timestamptz, verdict text, suspended boolean,
  everywhere boolean, narrowed text[],
  type varchar, resource_type varchar, resource_id uuid, resource_name varchar, cluster_id uuid,
  request jsonb, created_at timestamptz, actor_id uuid, actor_email varchar, actor_token_id uuid,
  workflow_id varchar, event jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  who record;
BEGIN
  SELECT * INTO who FROM admit(tenant, digest, needed, 'operation', wanted, NULL);
  IF who.token_id IS NULL THEN
    RETURN;
  END IF;
  RETURN QUERY
  SELECT who.token_id, who.user_id, who.email, who.at, who.verdict, who.suspended, who.everywhere,
         who.narrowed, o.type, o.resource_type, o.resource_id, o.resource_name, o.cluster_id,
         o.request, o.created_at, o.actor_id, c.email, o.token_id, o.workflow_id, e.event
    FROM (VALUES (wanted)) AS w (id)
    LEFT JOIN operations o ON o.id = w.id AND who.verdict = 'allowed'
    LEFT JOIN users c ON c.id = o.created_by
    LEFT JOIN LATERAL (SELECT v.event FROM operation_events v WHERE v.operation_id = o.id
                        ORDER BY v.seq DESC LIMIT 1) e ON true;
END
$$;

-- The version before, which may still run beside this one, asks these.  To it, too, a narrowed token
-- opens no more than it lists.
CREATE OR REPLACE FUNCTION enter(tenant uuid, digest text, needed text)
RETURNS TABLE (token_id uuid, user_id uuid, email varchar, at timestamptz, allowed boolean,
               suspended boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT a.token_id, a.user_id, a.email, a.at, a.everywhere, a.suspended
    FROM admit(tenant, digest, needed, 'tenant', NULL, NULL) a;
END
$$;

-- The last admin stays, also in a tenant that is suspended, which may be active again: an active
-- user, by their own role or by a grant, tenant-wide and without end, of the built-in admin.
CREATE OR REPLACE FUNCTION keep_an_admin() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('admins ' || OLD.tenant_id, 0));
  IF EXISTS (SELECT FROM tenants WHERE id = OLD.tenant_id AND status <> 'closed')
  AND NOT EXISTS (
    SELECT FROM users u
    JOIN rbac_roles r ON r.tenant_id = u.tenant_id AND r.name = 'admin' AND r.builtin
      AND r.status = 'active' AND r.tenant_wide
    WHERE u.tenant_id = OLD.tenant_id AND u.status = 'active' AND (u.role = r.name OR EXISTS (
      SELECT FROM rbac_user_roles g
      WHERE (g.tenant_id, g.user_id, g.role_id) = (u.tenant_id, u.id, r.id)
        AND g.cluster_id IS NULL AND g.expires_at IS NULL)))
  THEN
    RAISE EXCEPTION 'the last admin stays'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'last_admin';
  END IF;
  RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER keep_an_admin AFTER UPDATE OR DELETE ON rbac_roles
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (OLD.name = 'admin' AND OLD.builtin) EXECUTE FUNCTION keep_an_admin();
