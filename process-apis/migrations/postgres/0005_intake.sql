-- How far each reader has come, and the news that wait: because something before them is missing, or for a person.

CREATE TABLE reader_cursor (
    reader   text PRIMARY KEY,
    position text NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE parked_news (
    id        uuid   NOT NULL UNIQUE,
    company   text   NOT NULL,
    source    text   NOT NULL,
    key       text   NOT NULL,
    version   bigint NOT NULL,
    stage     text   NOT NULL CHECK (stage IN ('waiting', 'quarantined', 'dismissed')),
    reason    text   NOT NULL,
    detail    text   NOT NULL,
    parked_at bigint NOT NULL,
    due_at    bigint,
    closed_at bigint,
    closed_by text,
    note      text,
    news      text   NOT NULL,
    PRIMARY KEY (source, key)
);
CREATE INDEX parked_news_due ON parked_news (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX parked_news_quarantined ON parked_news (company, id) WHERE stage = 'quarantined';
CREATE INDEX parked_news_closed ON parked_news (closed_at) WHERE closed_at IS NOT NULL;

-- Each in one statement: whoever waited for the row tests it as it has become.
CREATE FUNCTION commit_cursors(cause jsonb, given jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    step jsonb;
BEGIN
    FOR step IN SELECT value FROM jsonb_array_elements(given) ORDER BY value ->> 'reader' LOOP
        IF step ->> 'from' IS NULL THEN
            INSERT INTO reader_cursor (reader, position) VALUES (step ->> 'reader', step ->> 'to')
            ON CONFLICT DO NOTHING;
        ELSE
            UPDATE reader_cursor SET position = step ->> 'to'
            WHERE reader = step ->> 'reader' AND position = step ->> 'from';
        END IF;
        IF NOT FOUND THEN
            PERFORM refuse('cursor_moved', jsonb_build_object('reader', step ->> 'reader'));
        END IF;
    END LOOP;
END $$;

-- In the order of their keys, so that two commits do not wait for each other. How many are kept is counted without a
-- lock: some that come at the same moment may be more.
CREATE FUNCTION commit_parked(cause jsonb, given jsonb, texts text[]) RETURNS void LANGUAGE plpgsql AS $$
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
            SELECT count(*) INTO kept FROM parked_news;
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
