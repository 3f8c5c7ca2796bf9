-- An operation with its steps, locked (`wait`), locked if it is free (`skip`), or only read
-- (`look`), in one trip.  The second statement sees what those had done who held the lock before.
-- A tenant is set where one is named: else the transaction has set it.
CREATE FUNCTION hold_operation(tenant uuid, wanted uuid, how text)
RETURNS TABLE (
  id uuid, tenant_id uuid, type varchar, status varchar, resource_type varchar, resource_id uuid,
  resource_name varchar, cluster_id uuid, progress int, request jsonb, workflow_id varchar,
  created_by uuid, actor_id uuid, token_id uuid, request_id varchar, created_at timestamptz,
  started_at timestamptz, completed_at timestamptz, error text, failure jsonb, run_id varchar,
  fence bigint, ending varchar, cancel_requested_at timestamptz, runnable_at timestamptz,
  dispatched_at timestamptz, updated_at timestamptz, forward_until timestamptz,
  deadline_at timestamptz, now timestamptz, steps jsonb)
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
  SELECT o.id, o.tenant_id, o.type, o.status, o.resource_type, o.resource_id, o.resource_name,
         o.cluster_id, o.progress, o.request, o.workflow_id, o.created_by, o.actor_id, o.token_id,
         o.request_id, o.created_at, o.started_at, o.completed_at, o.error, o.failure, o.run_id,
         o.fence, o.ending, o.cancel_requested_at, o.runnable_at, o.dispatched_at, o.updated_at,
         o.forward_until, o.deadline_at, clock_timestamp(), (
           SELECT jsonb_agg(to_jsonb(s) ORDER BY s.position) FROM operation_steps s
            WHERE s.operation_id = o.id)
    FROM operations o WHERE o.id = wanted;
END
$$;
