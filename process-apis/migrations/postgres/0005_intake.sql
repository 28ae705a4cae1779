-- How far each reader has come, and the news that wait because something before them is missing.
UPDATE schema_needs SET version = 5;

CREATE FUNCTION commit_cursors(cause jsonb, given jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'cursors are not written yet';
END $$;

CREATE FUNCTION commit_parked(cause jsonb, given jsonb, texts text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'parked news are not written yet';
END $$;
