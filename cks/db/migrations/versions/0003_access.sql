CREATE TABLE rbac_permissions (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  name VARCHAR(64) NOT NULL UNIQUE CHECK (name ~ '^[a-z_]+(\.[a-z_]+)+$'),
  description TEXT,
  UNIQUE (tenant_id, id)
);

CREATE TABLE rbac_role_permissions (
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  role_id UUID NOT NULL,
  permission_id UUID NOT NULL REFERENCES rbac_permissions ON DELETE RESTRICT,
  PRIMARY KEY (role_id, permission_id),
  FOREIGN KEY (tenant_id, role_id) REFERENCES rbac_roles (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX ON rbac_role_permissions (tenant_id, role_id);
CREATE INDEX ON rbac_role_permissions (permission_id);

CREATE TABLE rbac_user_roles (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  user_id UUID NOT NULL,
  role_id UUID NOT NULL,
  cluster_id UUID,
  namespace_id UUID,
  expires_at TIMESTAMPTZ,
  granted_by UUID,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT rbac_user_roles_scope CHECK (namespace_id IS NULL OR cluster_id IS NOT NULL),
  CONSTRAINT rbac_user_roles_once
    UNIQUE NULLS NOT DISTINCT (tenant_id, user_id, role_id, cluster_id, namespace_id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, role_id) REFERENCES rbac_roles (tenant_id, id) ON DELETE RESTRICT,
  FOREIGN KEY (tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, cluster_id, namespace_id)
    REFERENCES namespaces (tenant_id, cluster_id, id) ON DELETE CASCADE
);
CREATE INDEX ON rbac_user_roles (tenant_id, role_id);
CREATE INDEX ON rbac_user_roles (tenant_id, cluster_id, namespace_id);

-- An active tenant keeps an active admin, tenant-wide and without end.  Deferred, so that one
-- transaction may swap admins; under a lock, so that two cannot take each other for granted.
CREATE FUNCTION keep_an_admin() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('admins ' || OLD.tenant_id, 0));
  IF EXISTS (SELECT FROM tenants WHERE id = OLD.tenant_id AND status = 'active')
  AND NOT EXISTS (
    SELECT FROM users u
    WHERE u.tenant_id = OLD.tenant_id AND u.status = 'active' AND (u.role = 'admin' OR EXISTS (
      SELECT FROM rbac_user_roles g
      JOIN rbac_roles r ON (r.tenant_id, r.id) = (g.tenant_id, g.role_id)
      WHERE (g.tenant_id, g.user_id) = (u.tenant_id, u.id) AND r.name = 'admin' AND r.builtin
        AND g.cluster_id IS NULL AND g.expires_at IS NULL)))
  THEN
    RAISE EXCEPTION 'the last admin stays'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'last_admin';
  END IF;
  RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER keep_an_admin AFTER UPDATE OF role, status OR DELETE ON users
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (OLD.role = 'admin' OR OLD.status = 'active') EXECUTE FUNCTION keep_an_admin();
CREATE CONSTRAINT TRIGGER keep_an_admin AFTER UPDATE OR DELETE ON rbac_user_roles
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (OLD.cluster_id IS NULL AND OLD.expires_at IS NULL) EXECUTE FUNCTION keep_an_admin();

-- Built-in roles change by migration alone.
CREATE FUNCTION builtin_stays() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  role uuid := CASE TG_TABLE_NAME
    WHEN 'rbac_roles' THEN (to_jsonb(OLD) ->> 'id')::uuid
    ELSE (to_jsonb(COALESCE(NEW, OLD)) ->> 'role_id')::uuid END;
BEGIN
  IF current_user = 'cks_app' AND EXISTS (SELECT FROM rbac_roles WHERE id = role AND builtin) THEN
    RAISE EXCEPTION 'a built-in role is read-only' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN COALESCE(NEW, OLD);
END
$$;
CREATE TRIGGER builtin_stays BEFORE UPDATE OR DELETE ON rbac_roles
  FOR EACH ROW EXECUTE FUNCTION builtin_stays();
CREATE TRIGGER builtin_stays BEFORE INSERT OR UPDATE OR DELETE ON rbac_role_permissions
  FOR EACH ROW EXECUTE FUNCTION builtin_stays();

-- Explicit grants, and the implicit tenant-wide one of users.role.
CREATE VIEW effective_bindings WITH (security_invoker = true) AS
  SELECT g.tenant_id, g.user_id, g.role_id, g.cluster_id, g.namespace_id,
    'rbac_user_roles'::text AS via, g.id AS binding_id
  FROM rbac_user_roles g
  JOIN users u ON (u.tenant_id, u.id) = (g.tenant_id, g.user_id)
  JOIN rbac_roles r ON (r.tenant_id, r.id) = (g.tenant_id, g.role_id)
  WHERE u.status = 'active' AND r.status = 'active'
    AND (g.expires_at IS NULL OR g.expires_at > now())
    AND (g.cluster_id IS NOT NULL OR r.tenant_wide)
  UNION ALL
  SELECT u.tenant_id, u.id, r.id, NULL, NULL, 'users.role', NULL
  FROM users u
  JOIN rbac_roles r ON (r.tenant_id, r.name) = (u.tenant_id, u.role)
  WHERE u.status = 'active' AND r.status = 'active' AND r.tenant_wide;

CREATE VIEW effective_permissions WITH (security_invoker = true) AS
  SELECT b.*, r.name AS role, p.name AS permission
  FROM effective_bindings b
  JOIN rbac_roles r ON (r.tenant_id, r.id) = (b.tenant_id, b.role_id)
  JOIN rbac_role_permissions rp ON (rp.tenant_id, rp.role_id) = (b.tenant_id, b.role_id)
  JOIN rbac_permissions p ON p.id = rp.permission_id;

-- No row: denied.  Else the widest binding that allows it, as the explanation.  Whether the
-- resource exists is not asked: a deleted cluster's operations stay readable.
CREATE FUNCTION can(u uuid, perm text, c uuid DEFAULT NULL, n uuid DEFAULT NULL)
RETURNS TABLE (role varchar, via text, binding_id uuid, scope text) LANGUAGE sql STABLE AS $$
  SELECT e.role, e.via, e.binding_id,
    CASE WHEN e.namespace_id IS NOT NULL THEN 'namespace'
      WHEN e.cluster_id IS NOT NULL THEN 'cluster' ELSE 'tenant' END
  FROM effective_permissions e
  WHERE e.user_id = u AND e.permission = perm
    AND (e.cluster_id IS NULL OR e.cluster_id = c)
    AND (e.namespace_id IS NULL OR e.namespace_id = n)
  ORDER BY e.cluster_id IS NOT NULL, e.namespace_id IS NOT NULL, e.role
  LIMIT 1
$$;
