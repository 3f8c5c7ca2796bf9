-- The next fence.  The sequence follows the clock, in milliseconds since 1970, at most a second
-- behind: a database restored from a dump that is older than that draws above all that was drawn
-- after the dump.  It is never set back, so a clock that is costs nothing.
--
-- One at a time raises it, and only by more than a second's worth: more than can be drawn between
-- its look and its write.  Whoever finds another raising it waits for that, for 100 ms at most.
CREATE FUNCTION draw_fence() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  drawn bigint;
  clock bigint;
BEGIN
  FOR patience IN 1 .. 50 LOOP
    drawn := nextval('fences');
    clock := extract(epoch FROM clock_timestamp()) * 1000;
    EXIT WHEN drawn >= clock - 1000;
    IF pg_try_advisory_xact_lock(hashtext('fences')) THEN
      IF nextval('fences') < clock - 1000 THEN
        PERFORM setval('fences', clock);
      END IF;
      drawn := nextval('fences');
      EXIT;
    END IF;
    PERFORM pg_sleep(0.002);
  END LOOP;
  RETURN drawn;
END
$$;
