-- Webhooks: who is told of what, and how far each has been told.
UPDATE schema_needs SET version = 6;

CREATE FUNCTION commit_subscriptions(cause jsonb, given jsonb, texts text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'subscriptions are not written yet';
END $$;
