-- Channels: their documents and their sessions. Changes come as they are written in
-- process-apis/src/store/postgres/{documents,sessions}.rs.

-- A document as it is read: without its content, and with its lease only while somebody holds it.
CREATE FUNCTION document_as_read(of_id uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'document_id', d.id, 'channel', d.channel, 'partner', d.partner, 'account', d.account,
        'direction', d.direction, 'kind', d.kind, 'state', d.state, 'control_number', d.control_number,
        'answers', d.answers, 'order_id', d.order_id, 'context', d.context, 'outcome', o.outcome,
        'created_at', d.created_at, 'media_type', d.media_type,
        'lease', CASE WHEN d.lease_until IS NOT NULL THEN d.lease END)
    FROM document AS d LEFT JOIN document_outcome AS o ON o.document_id = d.id WHERE d.id = of_id
$$;

-- Locks what the changes test: the documents they name, in the order in which they are leased, then the control numbers
-- they take.
CREATE FUNCTION lock_documents(of_company text, given jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM document AS d
    WHERE d.company = of_company AND d.id IN (
        SELECT n.id FROM jsonb_to_recordset(given) AS n (change text, id uuid) WHERE n.change NOT IN ('store', 'owe'))
    ORDER BY d.seq FOR UPDATE;
    INSERT INTO control_number AS c (company, channel, partner, last)
    SELECT DISTINCT of_company, n.channel, n.partner, 0
    FROM jsonb_to_recordset(given) AS n (change text, channel text, partner text)
    WHERE n.change = 'owe' ORDER BY n.channel, n.partner
    ON CONFLICT (company, channel, partner) DO UPDATE SET last = c.last;
END $$;

-- Applies the changes in the order given, and answers the documents as they then are. One that was answered before,
-- under the same lease, is answered alone: what was to be said with its answer was said then.
CREATE FUNCTION commit_documents(cause jsonb, given jsonb, texts text[], contents bytea[]) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    of_company text := cause ->> 'company';
    at bigint := (cause ->> 'at')::bigint;
    n record;
    changed uuid;
    result jsonb := '[]';
BEGIN
    PERFORM lock_documents(of_company, given);
    FOR n IN SELECT * FROM jsonb_to_recordset(given) AS c (
        change text, id uuid, channel text, partner text, account text, kind text, answers uuid, order_id uuid,
        content integer, media_type text, duplicate_keys jsonb, keys_expire_at bigint, work boolean, context integer,
        lease uuid, lease_until bigint, outcome integer)
    LOOP
        changed := NULL;
        CASE n.change
        WHEN 'store' THEN
            INSERT INTO document (id, company, channel, partner, account, direction, kind, state, created_at, lease,
                lease_until, media_type, context, content)
            VALUES (n.id, of_company, n.channel, n.partner, n.account, 'inbound', 'interchange',
                CASE WHEN n.work THEN 'received' ELSE 'answered' END, at, n.lease, n.lease_until, n.media_type,
                texts[n.context], contents[n.content])
            RETURNING id INTO changed;
            PERFORM keep_document_keys(
                of_company, at, n.channel, n.partner, n.id, n.duplicate_keys, n.keys_expire_at);
        WHEN 'owe' THEN
            INSERT INTO document (id, company, channel, partner, account, direction, kind, state, control_number,
                answers, order_id, created_at, lease, lease_until, context)
            VALUES (n.id, of_company, n.channel, n.partner, n.account, 'outbound', n.kind, 'due',
                next_control_number(of_company, n.channel, n.partner), n.answers, n.order_id, at, n.lease,
                n.lease_until, texts[n.context])
            RETURNING id INTO changed;
        WHEN 'answer' THEN
            UPDATE document AS d SET state = 'answered'
            WHERE d.company = of_company AND d.id = n.id AND d.lease = n.lease AND d.state = 'received'
            RETURNING d.id INTO changed;
            IF changed IS NULL THEN
                SELECT d.id INTO changed FROM document AS d WHERE d.company = of_company AND d.id = n.id
                    AND d.lease = n.lease AND d.state = 'answered' AND d.direction = 'inbound';
                IF changed IS NOT NULL THEN
                    RETURN jsonb_build_array(document_as_read(changed));
                END IF;
            END IF;
        WHEN 'postpone' THEN
            UPDATE document AS d SET lease_until = n.lease_until
            WHERE d.company = of_company AND d.id = n.id AND d.lease = n.lease AND d.lease_until IS NOT NULL
                AND d.state IN ('received', 'due', 'ready')
            RETURNING d.id INTO changed;
        WHEN 'render' THEN
            -- The same bytes under the same lease once more: the first answer was lost on its way. The lease is known
            -- by that until another is given, but holds nothing any more: whoever sends may take the document at once.
            UPDATE document AS d SET state = CASE d.state WHEN 'due' THEN 'ready' ELSE d.state END,
                lease_until = CASE d.state WHEN 'due' THEN NULL ELSE d.lease_until END,
                content = contents[n.content], media_type = n.media_type
            WHERE d.company = of_company AND d.id = n.id AND d.lease = n.lease AND d.direction = 'outbound'
                AND (d.state = 'due' OR d.content = contents[n.content])
            RETURNING d.id INTO changed;
        WHEN 'deliver' THEN
            UPDATE document AS d SET state = 'delivered', lease_until = NULL
            WHERE d.company = of_company AND d.id = n.id AND d.state IN ('ready', 'delivered')
            RETURNING d.id INTO changed;
        WHEN 'refuse' THEN
            UPDATE document AS d SET state = 'refused', lease_until = NULL
            WHERE d.company = of_company AND d.id = n.id AND d.lease = n.lease
                AND (d.state = 'refused' OR d.state = 'ready' AND d.lease_until IS NOT NULL)
            RETURNING d.id INTO changed;
        END CASE;
        IF changed IS NULL THEN
            PERFORM refuse('lease_lost');
        END IF;
        -- The first outcome stays.
        INSERT INTO document_outcome (document_id, outcome) SELECT n.id, texts[n.outcome] WHERE n.outcome IS NOT NULL
        ON CONFLICT (document_id) DO NOTHING;
        result := result || document_as_read(changed);
    END LOOP;
    RETURN result;
END $$;

-- Keeps what makes the document a duplicate, unless one of its keys is kept for another already. Whoever comes at the
-- same time with the same key waits for the other's end.
CREATE FUNCTION keep_document_keys(
    of_company text, at bigint, of_channel text, of_partner text, document uuid, keys jsonb, expire_at bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    kept integer;
    known uuid;
BEGIN
    INSERT INTO document_key AS k (company, channel, partner, key, document_id, expires_at)
    SELECT of_company, of_channel, of_partner, n.key, document, expire_at
    FROM (SELECT DISTINCT e.key FROM jsonb_array_elements_text(keys) AS e (key)) AS n ORDER BY n.key
    ON CONFLICT (company, channel, partner, key) DO UPDATE
        SET document_id = excluded.document_id, expires_at = excluded.expires_at
    WHERE k.expires_at <= at;
    GET DIAGNOSTICS kept = ROW_COUNT;
    IF kept < (SELECT count(DISTINCT e.key) FROM jsonb_array_elements_text(keys) AS e (key)) THEN
        SELECT k.document_id INTO known
        FROM jsonb_array_elements_text(keys) WITH ORDINALITY AS n (key, place)
        JOIN document_key AS k ON (k.company, k.channel, k.partner, k.key) = (of_company, of_channel, of_partner, n.key)
        WHERE k.document_id <> document ORDER BY n.place LIMIT 1;
        PERFORM refuse('document_known', jsonb_build_object('document_id', known));
    END IF;
END $$;

CREATE FUNCTION next_control_number(of_company text, of_channel text, of_partner text) RETURNS bigint
LANGUAGE sql AS $$
    UPDATE control_number SET last = last + 1 WHERE (company, channel, partner) = (of_company, of_channel, of_partner)
    RETURNING last
$$;

-- A session as it is read.
CREATE FUNCTION session_as_read(s session) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object(
        'session_id', s.id, 'channel', s.channel, 'partner', s.partner, 'account', s.account, 'version', s.version,
        'content', s.content, 'created_at', s.created_at, 'expires_at', s.expires_at, 'fingerprint', s.fingerprint)
$$;

-- Locks what the changes test: how many sessions a partner has, then the sessions they name.
CREATE FUNCTION lock_sessions(of_company text, of_channel text, given jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lock_absent('session', of_company, of_channel, p.partner) FROM (
        SELECT DISTINCT n.partner FROM jsonb_to_recordset(given) AS n (change text, partner text)
        WHERE n.change = 'open' ORDER BY n.partner
    ) AS p;
    PERFORM 1 FROM session AS s
    WHERE (s.company, s.channel) = (of_company, of_channel) AND s.id IN (
        SELECT n.id FROM jsonb_to_recordset(given) AS n (id uuid))
    ORDER BY s.id FOR UPDATE;
END $$;

-- Applies the changes in the order given, and answers the sessions as they then are.
CREATE FUNCTION commit_sessions(cause jsonb, given jsonb, texts text[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    of_company text := cause ->> 'company';
    of_channel text := cause ->> 'channel';
    at bigint := (cause ->> 'at')::bigint;
    n record;
    changed session;
    result jsonb := '[]';
BEGIN
    PERFORM lock_sessions(of_company, of_channel, given);
    FOR n IN SELECT * FROM jsonb_to_recordset(given) AS c (
        change text, id uuid, partner text, account text, keys jsonb, content integer, fingerprint text,
        expires_at bigint, most bigint, expected_version bigint)
    LOOP
        changed := NULL;
        CASE n.change
        WHEN 'open' THEN
            PERFORM 1 FROM session AS s WHERE (s.company, s.channel, s.id) = (of_company, of_channel, n.id);
            IF FOUND THEN
                PERFORM refuse('session_known', jsonb_build_object('id', n.id));
            END IF;
            IF n.most <= (
                SELECT count(*) FROM session AS s WHERE s.expires_at > at
                    AND (s.company, s.channel, s.partner) = (of_company, of_channel, n.partner)) THEN
                PERFORM refuse('session_limit');
            END IF;
            INSERT INTO session (id, company, channel, partner, account, version, fingerprint, created_at, expires_at,
                content)
            VALUES (n.id, of_company, of_channel, n.partner, n.account, 1, n.fingerprint, at, n.expires_at,
                texts[n.content])
            ON CONFLICT (company, channel, id) DO NOTHING
            RETURNING * INTO changed;
            -- Another partner's, at the same time.
            IF changed.id IS NULL THEN
                PERFORM refuse('session_known', jsonb_build_object('id', n.id));
            END IF;
            INSERT INTO session_key (company, channel, partner, key, session)
            SELECT DISTINCT of_company, of_channel, n.partner, e.key, changed.seq
            FROM jsonb_array_elements_text(n.keys) AS e (key);
        WHEN 'change' THEN
            UPDATE session AS s SET version = s.version + 1, content = texts[n.content], expires_at = n.expires_at
            WHERE (s.company, s.channel, s.id) = (of_company, of_channel, n.id) AND s.version = n.expected_version
                AND s.expires_at > at
            RETURNING s.* INTO changed;
            IF changed.id IS NULL THEN
                PERFORM refuse('session_changed', jsonb_build_object('id', n.id));
            END IF;
        END CASE;
        result := result || session_as_read(changed);
    END LOOP;
    RETURN result;
END $$;
