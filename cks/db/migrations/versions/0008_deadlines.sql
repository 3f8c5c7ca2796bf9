-- The defaults are for what an API of the version before accepts while this one is there already.
ALTER TABLE operations
  ADD COLUMN forward_until TIMESTAMPTZ,
  ADD COLUMN deadline_at TIMESTAMPTZ,
  ADD CHECK ((forward_until IS NULL) = (deadline_at IS NULL)),
  ADD CHECK (forward_until < deadline_at),
  ALTER forward_until SET DEFAULT now() + interval '2 hours',
  ALTER deadline_at SET DEFAULT now() + interval '3 hours';

-- What is under way has three hours from now on; one, if it is being undone.
UPDATE operations
   SET forward_until = CASE WHEN ending IS NULL THEN now() + interval '2 hours' ELSE now() END,
       deadline_at = CASE WHEN ending IS NULL THEN now() + interval '3 hours'
                          ELSE now() + interval '1 hour' END,
       error = regexp_replace(error, '; all that was made is undone\.$', '.')
 WHERE status IN ('pending', 'running');

CREATE INDEX operations_due ON operations (deadline_at) WHERE status IN ('pending', 'running');

DROP INDEX operations_settled;
CREATE INDEX operations_settled ON operations (completed_at)
  WHERE status IN ('completed', 'failed', 'cancelled') AND dispatched_at IS NOT NULL;

ALTER TABLE operation_steps
  ADD COLUMN fence BIGINT,
  ADD COLUMN undone_at TIMESTAMPTZ,
  ADD COLUMN orphaned_at TIMESTAMPTZ;

CREATE INDEX operation_steps_orphaned ON operation_steps (tenant_id, operation_id)
  WHERE orphaned_at IS NOT NULL AND undone_at IS NULL;

CREATE FUNCTION deadline_stays() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'operation %: its deadline never moves away', OLD.id
    USING ERRCODE = 'check_violation', CONSTRAINT = 'deadline_stays';
END
$$;
CREATE TRIGGER deadline_stays BEFORE UPDATE ON operations FOR EACH ROW
  WHEN (OLD.deadline_at IS NOT NULL
        AND (NEW.deadline_at IS NULL OR NEW.deadline_at > OLD.deadline_at))
  EXECUTE FUNCTION deadline_stays();
