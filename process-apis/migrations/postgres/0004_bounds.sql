-- Bounds on what is taken while a backend cannot be asked: a sum, and who took what of it.
UPDATE schema_needs SET version = 4;

CREATE FUNCTION commit_bounds(cause jsonb, given jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'bounds are not written yet';
END $$;
