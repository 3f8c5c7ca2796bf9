-- What can be ordered, and what it costs: rows of the platform tenant, which every tenant reads.
-- Nothing here is ever deleted: clusters and bills name it.  What is withdrawn cannot be ordered.
CREATE TABLE kubernetes_minors (
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  minor VARCHAR(16) NOT NULL CHECK (minor ~ '^\d{1,3}\.\d{1,3}$'),
  released DATE NOT NULL,
  maintenance_from DATE,
  end_of_life DATE NOT NULL,
  dates_estimated BOOLEAN NOT NULL DEFAULT false,
  withdrawn_at TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, minor),
  CHECK (released <= end_of_life),
  CHECK (maintenance_from BETWEEN released AND end_of_life)
);

CREATE TABLE kubernetes_patches (
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  patch VARCHAR(16) NOT NULL CHECK (patch ~ '^\d{1,3}\.\d{1,3}\.\d{1,3}$'),
  minor VARCHAR(16) NOT NULL,
  released DATE,
  PRIMARY KEY (tenant_id, patch),
  CHECK (starts_with(patch, minor || '.')),
  FOREIGN KEY (tenant_id, minor) REFERENCES kubernetes_minors (tenant_id, minor)
);
CREATE INDEX ON kubernetes_patches (tenant_id, minor);

CREATE TABLE instance_types (
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  name VARCHAR(48) NOT NULL,
  position INT NOT NULL,
  vcpus INT NOT NULL CHECK (vcpus > 0),
  memory_gib INT NOT NULL CHECK (memory_gib > 0),
  architecture VARCHAR(16) NOT NULL CHECK (architecture IN ('amd64', 'arm64')),
  withdrawn_at TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, name)
);

-- A tenant's own row counts before the platform's.
CREATE TABLE price_list (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  sku VARCHAR(64) NOT NULL,
  resource_type VARCHAR(32) NOT NULL CHECK (resource_type IN ('control_plane', 'node', 'disk')),
  unit VARCHAR(16) NOT NULL CHECK (unit IN ('hour', 'GiB-month')),
  unit_price NUMERIC(20,10) NOT NULL CHECK (unit_price >= 0),
  currency CHAR(3) NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  valid_from TIMESTAMPTZ NOT NULL CHECK (valid_from = date_trunc('second', valid_from)),
  valid_to TIMESTAMPTZ CHECK (valid_to = date_trunc('second', valid_to)),
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id),
  CHECK (valid_to > valid_from),
  CONSTRAINT one_price_at_a_time EXCLUDE USING gist (
    uuidrange(tenant_id, tenant_id, '[]') WITH &&,
    textrange(sku || '/' || currency, sku || '/' || currency, '[]') WITH &&,
    tstzrange(valid_from, valid_to) WITH &&)
);
CREATE INDEX ON price_list (tenant_id, currency, sku);

CREATE FUNCTION price_is_dated() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'DELETE' OR to_jsonb(NEW) - 'valid_to' <> to_jsonb(OLD) - 'valid_to'
     OR OLD.valid_to IS NOT NULL OR NEW.valid_to IS NULL OR NEW.valid_to < now() THEN
    RAISE EXCEPTION 'a price is never changed, only ended, and never in the past'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'price_is_dated';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER price_is_dated BEFORE UPDATE OR DELETE ON price_list
  FOR EACH ROW EXECUTE FUNCTION price_is_dated();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON price_list
  FOR EACH STATEMENT EXECUTE FUNCTION refuse();

-- The project's own data (cks/data) as it was when this was written.
INSERT INTO kubernetes_minors
  (tenant_id, minor, released, maintenance_from, end_of_life, dates_estimated)
SELECT '00000000-0000-0000-0000-000000000000', minor, released::date, maintenance_from::date,
       end_of_life::date, dates_estimated FROM (VALUES
  ('1.37', '2026-08-26', '2027-08-28', '2027-10-28', true),
  ('1.36', '2026-04-22', '2027-04-28', '2027-06-28', false),
  ('1.35', '2025-12-17', '2026-12-28', '2027-02-28', false),
  ('1.34', '2025-08-27', '2026-08-27', '2026-10-27', false),
  ('1.33', '2025-04-23', '2026-04-28', '2026-06-28', false),
  ('1.32', '2024-12-11', '2025-12-28', '2026-02-28', false),
  ('1.31', '2024-08-13', '2025-08-28', '2025-11-11', false),
  ('1.30', '2024-04-17', '2025-04-28', '2025-07-15', false),
  ('1.29', '2023-12-13', '2024-12-28', '2025-02-28', false),
  ('1.28', '2023-08-15', '2024-08-28', '2024-10-28', false),
  ('1.27', '2023-04-11', '2024-04-28', '2024-06-28', false),
  ('1.26', '2022-12-08', '2023-12-28', '2024-02-28', false),
  ('1.25', '2022-08-23', '2023-08-27', '2023-10-27', false),
  ('1.24', '2022-05-03', '2023-05-28', '2023-07-28', false),
  ('1.23', '2021-12-07', '2022-12-28', '2023-02-28', false),
  ('1.22', '2021-08-04', '2022-08-28', '2022-10-28', false),
  ('1.21', '2021-04-08', '2022-04-28', '2022-06-28', false),
  ('1.20', '2020-12-08', '2021-12-28', '2022-02-28', false),
  ('1.19', '2020-08-26', '2021-08-28', '2021-10-28', false),
  ('1.18', '2020-03-25', '2021-04-28', '2021-06-18', false),
  ('1.17', '2019-12-07', NULL, '2020-12-25', false),
  ('1.16', '2019-09-18', NULL, '2020-08-04', false)
) AS m (minor, released, maintenance_from, end_of_life, dates_estimated);

INSERT INTO kubernetes_patches (tenant_id, patch, minor, released)
SELECT '00000000-0000-0000-0000-000000000000', patch, regexp_replace(patch, '\.\d+$', ''), released::date
FROM (VALUES
  ('1.37.1', '2026-09-15'),
  ('1.36.4', '2026-08-20'),
  ('1.35.8', '2026-08-20'),
  ('1.34.11', '2026-08-20'),
  ('1.33.13', '2026-06-11'),
  ('1.32.13', '2026-02-26'),
  ('1.31.14', '2025-11-11'),
  ('1.30.14', '2025-06-17'),
  ('1.29.15', '2025-03-11'),
  ('1.28.15', '2024-10-22'),
  ('1.27.16', '2024-07-17'),
  ('1.26.15', '2024-03-14'),
  ('1.25.16', '2023-11-15'),
  ('1.24.17', '2023-08-23'),
  ('1.23.17', '2023-02-22'),
  ('1.22.17', '2022-12-08'),
  ('1.21.14', '2022-06-15'),
  ('1.20.15', '2022-01-19'),
  ('1.19.16', '2021-10-27'),
  ('1.18.20', '2021-06-16'),
  ('1.17.17', '2021-01-13'),
  ('1.16.15', '2020-09-02')
) AS p (patch, released);

INSERT INTO instance_types (tenant_id, name, position, vcpus, memory_gib, architecture)
SELECT '00000000-0000-0000-0000-000000000000', t.* FROM (VALUES
  ('t3.medium', 0, 2, 4, 'amd64'),
  ('t3.large', 1, 2, 8, 'amd64'),
  ('t3.xlarge', 2, 4, 16, 'amd64'),
  ('m5.large', 3, 2, 8, 'amd64'),
  ('m5.xlarge', 4, 4, 16, 'amd64'),
  ('m5.2xlarge', 5, 8, 32, 'amd64'),
  ('m5.4xlarge', 6, 16, 64, 'amd64'),
  ('m6i.large', 7, 2, 8, 'amd64'),
  ('m6i.xlarge', 8, 4, 16, 'amd64'),
  ('m6i.2xlarge', 9, 8, 32, 'amd64'),
  ('m6i.4xlarge', 10, 16, 64, 'amd64'),
  ('m7g.large', 11, 2, 8, 'arm64'),
  ('m7g.xlarge', 12, 4, 16, 'arm64'),
  ('m7g.2xlarge', 13, 8, 32, 'arm64'),
  ('c6i.large', 14, 2, 4, 'amd64'),
  ('c6i.xlarge', 15, 4, 8, 'amd64'),
  ('c6i.2xlarge', 16, 8, 16, 'amd64'),
  ('c6i.4xlarge', 17, 16, 32, 'amd64'),
  ('r6i.large', 18, 2, 16, 'amd64'),
  ('r6i.xlarge', 19, 4, 32, 'amd64'),
  ('r6i.2xlarge', 20, 8, 64, 'amd64'),
  ('g5.xlarge', 21, 4, 16, 'amd64'),
  ('g5.2xlarge', 22, 8, 32, 'amd64'),
  ('p4d.24xlarge', 23, 96, 1152, 'amd64')
) AS t (name, position, vcpus, memory_gib, architecture);

INSERT INTO price_list (tenant_id, sku, resource_type, unit, unit_price, currency, valid_from)
SELECT '00000000-0000-0000-0000-000000000000', p.*, 'USD', '2000-01-01T00:00:00Z' FROM (VALUES
  ('control_plane', 'control_plane', 'hour', 0.10),
  ('disk', 'disk', 'GiB-month', 0.08),
  ('node.t3.medium', 'node', 'hour', 0.041600),
  ('node.t3.large', 'node', 'hour', 0.083200),
  ('node.t3.xlarge', 'node', 'hour', 0.166400),
  ('node.m5.large', 'node', 'hour', 0.096000),
  ('node.m5.xlarge', 'node', 'hour', 0.192000),
  ('node.m5.2xlarge', 'node', 'hour', 0.384000),
  ('node.m5.4xlarge', 'node', 'hour', 0.768000),
  ('node.m6i.large', 'node', 'hour', 0.096000),
  ('node.m6i.xlarge', 'node', 'hour', 0.192000),
  ('node.m6i.2xlarge', 'node', 'hour', 0.384000),
  ('node.m6i.4xlarge', 'node', 'hour', 0.768000),
  ('node.m7g.large', 'node', 'hour', 0.081600),
  ('node.m7g.xlarge', 'node', 'hour', 0.163200),
  ('node.m7g.2xlarge', 'node', 'hour', 0.326400),
  ('node.c6i.large', 'node', 'hour', 0.085000),
  ('node.c6i.xlarge', 'node', 'hour', 0.170000),
  ('node.c6i.2xlarge', 'node', 'hour', 0.340000),
  ('node.c6i.4xlarge', 'node', 'hour', 0.680000),
  ('node.r6i.large', 'node', 'hour', 0.126000),
  ('node.r6i.xlarge', 'node', 'hour', 0.252000),
  ('node.r6i.2xlarge', 'node', 'hour', 0.504000),
  ('node.g5.xlarge', 'node', 'hour', 1.006000),
  ('node.g5.2xlarge', 'node', 'hour', 1.212000),
  ('node.p4d.24xlarge', 'node', 'hour', 21.957642)
) AS p (sku, resource_type, unit, unit_price);
