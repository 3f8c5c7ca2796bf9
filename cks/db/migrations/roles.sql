-- The five roles, and what cks_owner needs in this database.  Safe to run again.
-- A migration runs this itself when it may make roles; else a DBA runs it once per database,
-- grants cks_owner to the login that migrates, and gives cks_app and cks_dispatch passwords.
--
--   cks_owner     owns every table; migrations and `cks admin` act as it
--   cks_app       acts for one tenant at a time: API and worker
--   cks_dispatch  finds work over all tenants, and changes nothing
--   cks_audit     moves the heads of the audit chains, through one trigger
--   cks_guard     counts the admins of a tenant, through one trigger
DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['cks_owner', 'cks_app', 'cks_dispatch', 'cks_audit', 'cks_guard'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
      EXECUTE format(
        'CREATE ROLE %I %s NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', role,
        CASE WHEN role IN ('cks_app', 'cks_dispatch') THEN 'LOGIN' ELSE 'NOLOGIN' END);
    END IF;
  END LOOP;
  -- cks_owner hands one function each to these two, so it must be able to act as them.
  FOREACH role IN ARRAY ARRAY['cks_audit', 'cks_guard'] LOOP
    IF NOT pg_has_role('cks_owner', role, 'MEMBER') THEN
      EXECUTE format('GRANT %I TO cks_owner', role);
    END IF;
  END LOOP;
END
$$;
GRANT USAGE ON SCHEMA public TO cks_app, cks_dispatch, cks_audit, cks_guard;
GRANT USAGE ON SCHEMA public TO cks_owner;
GRANT CREATE ON SCHEMA public TO cks_owner WITH GRANT OPTION;
