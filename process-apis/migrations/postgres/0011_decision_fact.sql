-- A decision record goes with the order, quote or reservation that it is about, and a fact with the last decision that was
-- made from it.
ALTER TABLE decision ADD COLUMN subject uuid;
UPDATE decision SET subject = (record::jsonb ->> 'subject')::uuid
WHERE record::jsonb ->> 'subject' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
CREATE INDEX decision_of_subject ON decision (subject);

CREATE TABLE decision_fact (
    decision uuid  NOT NULL,
    hash     bytea NOT NULL,
    PRIMARY KEY (decision, hash)
);
CREATE INDEX decision_fact_by_hash ON decision_fact (hash);
INSERT INTO decision_fact (decision, hash)
SELECT DISTINCT decision.id, decode(key #>> '{}', 'hex')
FROM decision, jsonb_path_query(facts::jsonb, 'strict $.** ? (@.type() == "string")') AS key;

-- A fact that is found there already must not be removed before this commit is over: whoever removes facts has the lock
-- alone, for the time of one statement.
CREATE OR REPLACE FUNCTION commit_decision(cause jsonb, given jsonb, texts text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('facts', 0));
    INSERT INTO fact_blob (hash, content)
    SELECT decode(fact.hash, 'hex'), texts[fact.content]
    FROM jsonb_to_recordset(given -> 'contents') AS fact (hash text, content integer)
    ORDER BY fact.hash
    ON CONFLICT (hash) DO NOTHING;
    INSERT INTO decision (id, company, record, facts, subject)
    VALUES ((given ->> 'id')::uuid, cause ->> 'company', texts[(given ->> 'record')::integer],
        texts[(given ->> 'facts')::integer], (given ->> 'subject')::uuid);
    INSERT INTO decision_fact (decision, hash)
    SELECT (given ->> 'id')::uuid, decode(fact.hash, 'hex')
    FROM jsonb_to_recordset(given -> 'contents') AS fact (hash text, content integer);
END $$;

-- Removes the facts among these that no decision is made from any more. In a later statement than the lock, whose snapshot
-- sees the commits that were waited for.
CREATE FUNCTION forget_facts(hashes bytea[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('facts', 0));
    DELETE FROM fact_blob WHERE hash = ANY(hashes)
        AND NOT EXISTS (SELECT FROM decision_fact WHERE decision_fact.hash = fact_blob.hash);
END $$;
