ALTER TABLE operations
  ADD COLUMN forward_until TIMESTAMPTZ,
  ADD COLUMN deadline_at TIMESTAMPTZ,
  ADD CHECK ((forward_until IS NULL) = (deadline_at IS NULL)),
  ADD CHECK (forward_until < deadline_at);

-- What was accepted before has three hours from now on.
UPDATE operations
   SET forward_until = now() + interval '2 hours', deadline_at = now() + interval '3 hours'
 WHERE status IN ('pending', 'running') AND runnable_at IS NOT NULL;

CREATE INDEX operations_due ON operations (deadline_at) WHERE status IN ('pending', 'running');

ALTER TABLE operation_steps
  ADD COLUMN undone_at TIMESTAMPTZ,
  ADD COLUMN orphaned_at TIMESTAMPTZ;

CREATE INDEX operation_steps_orphaned ON operation_steps (tenant_id, operation_id)
  WHERE orphaned_at IS NOT NULL AND undone_at IS NULL;
