-- How many news of a source wait or are kept, without those that a person put aside.
CREATE INDEX parked_news_open ON parked_news (source) WHERE stage <> 'dismissed';

-- In the order of their keys, so that two commits do not wait for each other. How many are kept is counted without a
-- lock: some that come at the same moment may be more.
CREATE OR REPLACE FUNCTION commit_parked(cause jsonb, given jsonb, texts text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    change jsonb;
    kept   bigint;
BEGIN
    FOR change IN
        SELECT value FROM jsonb_array_elements(given) WITH ORDINALITY
        ORDER BY value ->> 'source', value ->> 'key', ordinality
    LOOP
        IF change ->> 'change' = 'unpark' THEN
            DELETE FROM parked_news
            WHERE source = change ->> 'source' AND key = change ->> 'key' AND version <= (change ->> 'version')::bigint;
            CONTINUE;
        END IF;
        IF NOT EXISTS (SELECT FROM parked_news WHERE source = change ->> 'source' AND key = change ->> 'key') THEN
            SELECT count(*) INTO kept FROM parked_news
            WHERE source = change ->> 'source' AND stage <> 'dismissed';
            IF kept >= (change ->> 'most')::bigint THEN
                PERFORM refuse('parked_full');
            END IF;
        END IF;
        INSERT INTO parked_news (id, company, source, key, version, stage, reason, detail, parked_at, due_at, closed_at,
            closed_by, note, news)
        VALUES ((change ->> 'id')::uuid, change ->> 'company', change ->> 'source', change ->> 'key',
            (change ->> 'version')::bigint, change ->> 'stage', change ->> 'reason', change ->> 'detail',
            (change ->> 'parked_at')::bigint, (change ->> 'due_at')::bigint, (change ->> 'closed_at')::bigint,
            change ->> 'closed_by', change ->> 'note', texts[(change ->> 'news')::integer])
        ON CONFLICT (source, key) DO UPDATE SET id = excluded.id, company = excluded.company,
            version = excluded.version, stage = excluded.stage, reason = excluded.reason, detail = excluded.detail,
            parked_at = excluded.parked_at, due_at = excluded.due_at, closed_at = excluded.closed_at,
            closed_by = excluded.closed_by, note = excluded.note, news = excluded.news
        WHERE excluded.version >= parked_news.version;
    END LOOP;
END $$;
