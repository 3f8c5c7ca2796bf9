-- What a step means stands in its row, not in its name: in which stage it is, what is done, what it
-- makes, and what undoing it means.
ALTER TABLE operation_steps
  ADD COLUMN resource_name VARCHAR(128),
  ADD COLUMN stage INT,
  ADD COLUMN action VARCHAR(32),
  ADD COLUMN makes VARCHAR(16) CHECK (makes IN ('network', 'control_plane', 'node_pool')),
  ADD COLUMN undo VARCHAR(8) CHECK (undo IN ('remove', 'restore', 'none')),
  ADD COLUMN limit_seconds INT CHECK (limit_seconds > 0);

-- The version before writes names alone, also while it still runs beside this one.  It knew one
-- plan: network, control plane, pools side by side, add-ons, verification.
CREATE FUNCTION former_step() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  NEW.action := split_part(NEW.name, ':', 1);
  NEW.stage := coalesce(array_position(
    ARRAY['network', 'control_plane', 'node_pool', 'add_ons', 'verify'], NEW.action::text) - 1,
    NEW.position);
  NEW.resource_name := nullif(split_part(NEW.name, ':', 2), '');
  NEW.makes := CASE WHEN NEW.action IN ('network', 'control_plane', 'node_pool') THEN NEW.action END;
  NEW.undo := CASE WHEN NEW.makes IS NULL THEN 'none' ELSE 'remove' END;
  NEW.limit_seconds := CASE NEW.action
    WHEN 'control_plane' THEN 2400
    WHEN 'node_pool' THEN 1800 + 5 * (NEW.weight - 60)
    WHEN 'verify' THEN 600
    ELSE 900 END;
  RETURN NEW;
END
$$;
CREATE TRIGGER former_step BEFORE INSERT OR UPDATE ON operation_steps
  FOR EACH ROW WHEN (NEW.undo IS NULL) EXECUTE FUNCTION former_step();
UPDATE operation_steps SET undo = NULL;
ALTER TABLE operation_steps
  ALTER COLUMN stage SET NOT NULL,
  ALTER COLUMN action SET NOT NULL,
  ALTER COLUMN undo SET NOT NULL,
  ALTER COLUMN limit_seconds SET NOT NULL,
  ADD CHECK ((undo = 'remove') = (makes IS NOT NULL));

-- An operation with its steps, locked (`wait`), locked if it is free (`skip`), or only read
-- (`look`), in one trip.  The second statement sees what those had done who held the lock before.
-- A tenant is set where one is named: else the transaction has set it.  It returns the row type,
-- so that a new column needs no new function.
CREATE FUNCTION held_operation(tenant uuid, wanted uuid, how text)
RETURNS TABLE (operation operations, now timestamptz, steps jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF tenant IS NOT NULL THEN
    PERFORM set_config('app.tenant_id', tenant::text, true);
  END IF;
  CASE how
    WHEN 'wait' THEN PERFORM FROM operations o WHERE o.id = wanted FOR UPDATE;
    WHEN 'skip' THEN PERFORM FROM operations o WHERE o.id = wanted FOR UPDATE SKIP LOCKED;
    WHEN 'look' THEN PERFORM FROM operations o WHERE o.id = wanted;
  END CASE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  RETURN QUERY
  SELECT o, clock_timestamp(), (
           SELECT jsonb_agg(to_jsonb(s) ORDER BY s.position) FROM operation_steps s
            WHERE s.operation_id = o.id)
    FROM operations o WHERE o.id = wanted;
END
$$;

-- The slot of a claim: `(,)` for one who holds a resource alone, which overlaps every other; a number
-- of its own for one who shares it.
CREATE FUNCTION claim_slot(shared boolean) RETURNS int8range
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  slot bigint;
BEGIN
  IF NOT shared THEN
    RETURN '(,)';
  END IF;
  slot := nextval('claim_slots');
  RETURN int8range(slot, slot + 1);
END
$$;
