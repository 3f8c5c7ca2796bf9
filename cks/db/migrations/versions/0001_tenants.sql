-- A range over one scalar, [x,x], makes "x = x" an overlap, which GiST can exclude by itself.
CREATE TYPE uuidrange AS RANGE (subtype = uuid);
CREATE TYPE textrange AS RANGE (subtype = text, collation = "C");

-- Lets 'Mars5' pass, as POSIX zones do; whoever writes a zone asks the zone database first.
CREATE FUNCTION tz_ok(zone text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM now() AT TIME ZONE zone;
  RETURN true;
EXCEPTION WHEN invalid_parameter_value THEN
  RETURN false;
END
$$;

CREATE FUNCTION refuse() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '% on % refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TABLE tenants (
  id UUID PRIMARY KEY,
  name VARCHAR(128) NOT NULL,
  status VARCHAR(16) NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'closed')),
  timezone VARCHAR(64) NOT NULL DEFAULT 'UTC' CHECK (tz_ok(timezone)),
  currency CHAR(3) NOT NULL DEFAULT 'USD' CHECK (currency ~ '^[A-Z]{3}$'),
  billing_cycle VARCHAR(8) NOT NULL DEFAULT 'month' CHECK (billing_cycle IN ('month', 'day')),
  clock_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE quotas (
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  quota VARCHAR(64) NOT NULL,
  maximum INT NOT NULL CHECK (maximum >= 0),
  unit VARCHAR(32) NOT NULL,
  PRIMARY KEY (tenant_id, quota)
);

CREATE TABLE rbac_roles (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  name VARCHAR(64) NOT NULL,
  description TEXT,
  status VARCHAR(16) NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive')),
  builtin BOOLEAN NOT NULL DEFAULT false,
  tenant_wide BOOLEAN NOT NULL DEFAULT true,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, name)
);

CREATE TABLE users (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  email VARCHAR(255) NOT NULL UNIQUE,
  name VARCHAR(128) NOT NULL,
  avatar VARCHAR(255),
  role VARCHAR(32) NOT NULL,
  status VARCHAR(16) NOT NULL DEFAULT 'active'
    CHECK (status IN ('active', 'inactive', 'suspended', 'pending')),
  last_login TIMESTAMPTZ,
  join_date TIMESTAMPTZ NOT NULL DEFAULT now(),
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id),
  -- Deferred: a tenant's first user and its roles come in one transaction.
  FOREIGN KEY (tenant_id, role) REFERENCES rbac_roles (tenant_id, name)
    ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX users_email_any_case ON users (lower(email));
CREATE INDEX ON users (tenant_id, role);

CREATE TABLE user_preferences (
  user_id UUID PRIMARY KEY,
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  notifications JSONB NOT NULL CHECK (jsonb_typeof(notifications) = 'object'),
  dashboard JSONB NOT NULL CHECK (jsonb_typeof(dashboard) = 'object'),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX ON user_preferences (tenant_id, user_id);

CREATE TABLE user_tokens (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id UUID NOT NULL,
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  name VARCHAR(64) NOT NULL,
  token VARCHAR(255) NOT NULL UNIQUE
    CONSTRAINT token_is_digest CHECK (token ~ '^sha256:[0-9a-f]{64}$'),
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  last_used TIMESTAMPTZ,
  prefix VARCHAR(16),
  scopes TEXT[],
  expires_at TIMESTAMPTZ,
  revoked_at TIMESTAMPTZ,
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX user_tokens_name_per_user ON user_tokens (tenant_id, user_id, name);

CREATE TABLE user_sessions (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id UUID NOT NULL,
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  device VARCHAR(128),
  ip_address VARCHAR(64),
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  last_active TIMESTAMPTZ NOT NULL DEFAULT now(),
  token_digest CHAR(64) UNIQUE,
  expires_at TIMESTAMPTZ,
  revoked_at TIMESTAMPTZ,
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX ON user_sessions (tenant_id, user_id);
