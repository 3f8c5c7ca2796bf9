CREATE TABLE billing_periods (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  start_date DATE NOT NULL,
  end_date DATE NOT NULL,
  total_cost NUMERIC(12,2) NOT NULL DEFAULT 0,
  currency VARCHAR(8) NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  status VARCHAR(16) NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closing', 'closed')),
  closed_at TIMESTAMPTZ,
  invoice_number VARCHAR(32),
  lines_sha256 CHAR(64),
  timezone VARCHAR(64) NOT NULL DEFAULT 'UTC' CHECK (tz_ok(timezone)),
  previous_end DATE,
  starts_at TIMESTAMPTZ NOT NULL,
  ends_at TIMESTAMPTZ NOT NULL,
  UNIQUE (tenant_id, id),
  CHECK (end_date > start_date),
  CHECK (ends_at > starts_at),
  CHECK ((status = 'closed') = (closed_at IS NOT NULL)),
  -- A chain excludes overlap and gap; a GiST exclusion constraint costs more at scale.
  CONSTRAINT billing_periods_no_gap CHECK (previous_end IS NULL OR previous_end = start_date),
  CONSTRAINT billing_periods_no_fork UNIQUE (tenant_id, previous_end),
  UNIQUE (tenant_id, end_date),
  UNIQUE (tenant_id, id, currency),
  UNIQUE (tenant_id, invoice_number),
  FOREIGN KEY (tenant_id, previous_end) REFERENCES billing_periods (tenant_id, end_date)
);
CREATE UNIQUE INDEX billing_periods_one_first ON billing_periods (tenant_id)
  WHERE previous_end IS NULL;

CREATE TABLE billing_usage (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id UUID NOT NULL REFERENCES tenants ON DELETE RESTRICT,
  billing_period_id UUID NOT NULL,
  resource_type VARCHAR(32) NOT NULL,
  amount NUMERIC(12,2) NOT NULL,
  unit VARCHAR(16) NOT NULL,
  cost NUMERIC(12,2) NOT NULL,
  currency VARCHAR(8) NOT NULL,
  line_key VARCHAR(200) NOT NULL,
  sku VARCHAR(64) NOT NULL,
  resource_id UUID,
  resource_name VARCHAR(128),
  cluster_id UUID,
  usage_start TIMESTAMPTZ NOT NULL,
  usage_end TIMESTAMPTZ NOT NULL,
  quantity NUMERIC(28,9) NOT NULL,
  unit_price NUMERIC(20,10) NOT NULL,
  cost_exact NUMERIC(38,18) NOT NULL,
  charge_category VARCHAR(16) NOT NULL DEFAULT 'Usage'
    CHECK (charge_category IN ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment')),
  charge_class VARCHAR(16) CHECK (charge_class = 'Correction'),
  corrects_period_id UUID,
  UNIQUE (tenant_id, id),
  CHECK (usage_end > usage_start),
  CHECK (abs(cost - cost_exact) < 0.01),
  CHECK (abs(amount - quantity) <= 0.005),
  CHECK ((charge_class IS NULL) = (corrects_period_id IS NULL)),
  CHECK (charge_class IS NOT DISTINCT FROM 'Correction' OR charge_category = 'Credit'
    OR (quantity >= 0 AND cost >= 0)),
  CONSTRAINT billing_usage_line_once UNIQUE (tenant_id, billing_period_id, line_key),
  FOREIGN KEY (tenant_id, billing_period_id, currency)
    REFERENCES billing_periods (tenant_id, id, currency) ON DELETE RESTRICT,
  FOREIGN KEY (tenant_id, corrects_period_id) REFERENCES billing_periods (tenant_id, id)
);
CREATE INDEX ON billing_usage (tenant_id, billing_period_id, currency);
CREATE INDEX ON billing_usage (tenant_id, corrects_period_id);

CREATE FUNCTION closed_period_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_TABLE_NAME = 'billing_periods' THEN
    IF OLD.status = 'closed' THEN
      RAISE EXCEPTION 'billing period % is closed', OLD.id USING ERRCODE = 'check_violation';
    END IF;
  ELSIF TG_OP = 'INSERT' THEN
    IF (SELECT status FROM billing_periods p
        WHERE p.tenant_id = NEW.tenant_id AND p.id = NEW.billing_period_id FOR SHARE) = 'closed'
    THEN
      RAISE EXCEPTION 'billing period % is closed', NEW.billing_period_id
        USING ERRCODE = 'check_violation';
    END IF;
  ELSIF (SELECT status FROM billing_periods p
         WHERE p.tenant_id = OLD.tenant_id AND p.id = OLD.billing_period_id) = 'closed'
  THEN
    RAISE EXCEPTION 'billing period % is closed', OLD.billing_period_id
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN COALESCE(NEW, OLD);
END
$$;
CREATE TRIGGER closed_stays BEFORE UPDATE OR DELETE ON billing_periods
  FOR EACH ROW EXECUTE FUNCTION closed_period_guard();
CREATE TRIGGER closed_stays BEFORE INSERT OR UPDATE OR DELETE ON billing_usage
  FOR EACH ROW EXECUTE FUNCTION closed_period_guard();

CREATE FUNCTION close_balances() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  lines numeric;
BEGIN
  SELECT COALESCE(sum(cost), 0) INTO lines FROM billing_usage u
  WHERE u.tenant_id = NEW.tenant_id AND u.billing_period_id = NEW.id;
  IF lines <> NEW.total_cost THEN
    RAISE EXCEPTION 'period total % <> sum of lines %', NEW.total_cost, lines
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER close_balances BEFORE INSERT OR UPDATE OF status ON billing_periods
  FOR EACH ROW WHEN (NEW.status = 'closed') EXECUTE FUNCTION close_balances();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON billing_periods
  FOR EACH STATEMENT EXECUTE FUNCTION refuse();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON billing_usage
  FOR EACH STATEMENT EXECUTE FUNCTION refuse();
