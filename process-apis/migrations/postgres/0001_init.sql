-- The coordination state. Instants are nanoseconds since 1970 (UTC): timestamptz would cut them to microseconds.
-- Documents of ours are JSON text: a state comes back exactly as it was written. How a commit is applied stands at the
-- end of this file; process-apis/src/store/postgres/mod.rs says how a domain plugs in.

-- The oldest version of this schema that a release must know to work on it. A step that only adds what an older release
-- passes over leaves it alone, so that the release before can be gone back to.
CREATE TABLE schema_needs (
    id      integer PRIMARY KEY CHECK (id = 1),
    version bigint  NOT NULL
);
INSERT INTO schema_needs (id, version) VALUES (1, 1);

-- The log: also the outbox. seq is given before the commit and says only which event of a stream came first; what
-- readers go by is the position in `feed`, given after it.
CREATE TABLE event (
    seq            bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id             uuid    NOT NULL UNIQUE,
    stream_kind    text    NOT NULL,
    stream_id      uuid    NOT NULL,
    version        bigint  NOT NULL CHECK (version > 0),
    type           text    NOT NULL,
    type_version   integer NOT NULL,
    company        text    NOT NULL,
    account        text    NOT NULL,
    time           bigint  NOT NULL,
    principal      text    NOT NULL,
    channel        text    NOT NULL,
    correlation_id text    NOT NULL,
    traceparent    text    NOT NULL,
    data           text    NOT NULL,
    UNIQUE (stream_id, stream_kind, version)
);

-- Events without a position yet. A table of its own, as the feed is: stamping an event does not write it again.
CREATE TABLE event_unstamped (
    seq bigint PRIMARY KEY
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE TABLE feed (
    position bigint PRIMARY KEY,
    seq      bigint NOT NULL UNIQUE,
    company  text   NOT NULL,
    account  text   NOT NULL
);
CREATE INDEX feed_of_account ON feed (company, account, position);

-- The log in feed order.
CREATE VIEW feed_event AS
    SELECT feed.position, event.*, feed.company AS feed_company, feed.account AS feed_account
    FROM feed JOIN event USING (seq);

-- Who gives positions and chains the audit trail: one instance at a time, by lease; and the last position given, which
-- is never given again, whatever is deleted.
CREATE TABLE sequencer (
    id       integer     PRIMARY KEY CHECK (id = 1),
    holder   uuid,
    epoch    bigint      NOT NULL,
    until    timestamptz NOT NULL,
    position bigint      NOT NULL
) WITH (fillfactor = 50);
INSERT INTO sequencer (id, epoch, until, position) VALUES (1, 0, '-infinity', 0);

-- Current states, with the columns they are found by.
CREATE TABLE sales_order (
    id                    uuid    PRIMARY KEY,
    version               bigint  NOT NULL,
    company               text    NOT NULL,
    account               text    NOT NULL,
    purchase_order_number text    NOT NULL,
    release_number        text    NOT NULL DEFAULT '',
    reference             text,
    holds_purchase_order  boolean NOT NULL,
    status                text    NOT NULL,
    holds                 text[]  NOT NULL,
    state                 text    NOT NULL
);
CREATE UNIQUE INDEX sales_order_of_purchase_order
    ON sales_order (company, account, purchase_order_number, release_number) WHERE holds_purchase_order;
CREATE INDEX sales_order_of_account ON sales_order (company, account, id);
CREATE INDEX sales_order_by_number ON sales_order (company, purchase_order_number, id);
CREATE INDEX sales_order_by_status ON sales_order (company, status, id);
-- A warehouse names an order by our reference.
CREATE INDEX sales_order_by_reference ON sales_order (company, reference) WHERE reference IS NOT NULL;
CREATE INDEX sales_order_held ON sales_order (company, id) WHERE holds <> '{}';

CREATE TABLE quote (
    id         uuid   PRIMARY KEY,
    version    bigint NOT NULL,
    company    text   NOT NULL,
    account    text   NOT NULL,
    expires_at bigint NOT NULL,
    state      text   NOT NULL
);

CREATE TABLE reservation (
    id         uuid   PRIMARY KEY,
    version    bigint NOT NULL,
    company    text   NOT NULL,
    account    text   NOT NULL,
    expires_at bigint,
    state      text   NOT NULL
);
CREATE INDEX reservation_expiring ON reservation (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX reservation_held ON reservation (company, account) WHERE expires_at IS NOT NULL;

-- Ledgers: the newest fact and what our claims take of it; a movement lives until it is released or a fact covers it.
CREATE TABLE stock (
    company   text      NOT NULL,
    item      text      NOT NULL,
    site      text      NOT NULL,
    as_of     bigint    NOT NULL,
    lag       bigint    NOT NULL,
    first_day date      NOT NULL,
    available numeric[] NOT NULL,
    claimed   numeric[] NOT NULL,
    PRIMARY KEY (company, item, site)
);

CREATE TABLE stock_movement (
    id           bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company      text    NOT NULL,
    item         text    NOT NULL,
    site         text    NOT NULL,
    owner_kind   text    NOT NULL,
    owner_id     uuid    NOT NULL,
    line         integer NOT NULL,
    day          date    NOT NULL,
    quantity     numeric NOT NULL,
    confirmed_at bigint
);
CREATE INDEX stock_movement_of_key ON stock_movement (company, item, site);
CREATE INDEX stock_movement_of_owner ON stock_movement (owner_id, owner_kind);

CREATE TABLE credit (
    company      text    NOT NULL,
    account      text    NOT NULL,
    as_of        bigint  NOT NULL,
    lag          bigint  NOT NULL,
    currency     text    NOT NULL,
    credit_limit numeric,
    exposure     numeric NOT NULL,
    claimed      numeric NOT NULL,
    blocked      boolean NOT NULL,
    PRIMARY KEY (company, account)
);

CREATE TABLE credit_movement (
    id           bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company      text    NOT NULL,
    account      text    NOT NULL,
    owner_kind   text    NOT NULL,
    owner_id     uuid    NOT NULL,
    amount       numeric NOT NULL,
    confirmed_at bigint
);
CREATE INDEX credit_movement_of_key ON credit_movement (company, account);
CREATE INDEX credit_movement_of_owner ON credit_movement (owner_id, owner_kind);

-- What is to be done outside. Done ones stay as evidence; the indexes leave them out.
CREATE TABLE effect (
    seq            bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id             uuid    NOT NULL UNIQUE,
    kind           text    NOT NULL,
    order_id       uuid    NOT NULL,
    state          text    NOT NULL CHECK (state IN ('pending', 'leased', 'stopped', 'done', 'dropped')),
    due_at         bigint  NOT NULL,
    serial_key     text,
    attempt        integer NOT NULL DEFAULT 0,
    lease          uuid,
    lease_until    bigint,
    created_at     bigint  NOT NULL,
    traceparent    text    NOT NULL,
    correlation_id text    NOT NULL,
    payload        text    NOT NULL,
    progress       text    NOT NULL,
    -- Sleeps until it is due, and is awake from then on.
    awake          boolean NOT NULL DEFAULT false,
    -- Only what nothing else waits for.
    background     boolean NOT NULL DEFAULT false,
    CHECK ((state = 'leased') = (lease IS NOT NULL)),
    CHECK ((lease IS NULL) = (lease_until IS NULL))
);
-- Neither what sleeps nor a long queue under one key is walked to find what comes next.
CREATE INDEX effect_asleep ON effect (due_at, seq) WHERE state = 'pending' AND NOT awake;
CREATE INDEX effect_awake ON effect (background, seq) WHERE state = 'pending' AND awake AND serial_key IS NULL;
CREATE INDEX effect_queue ON effect (serial_key, seq) WHERE state = 'pending' AND awake AND serial_key IS NOT NULL;
CREATE INDEX effect_background ON effect (lease_until) WHERE state = 'leased' AND background;
CREATE INDEX effect_leased ON effect (lease_until) WHERE state = 'leased';
CREATE INDEX effect_open_of_order ON effect (order_id) WHERE state IN ('pending', 'stopped');
-- Effects with one serial key are done one at a time.
CREATE UNIQUE INDEX effect_serial ON effect (serial_key) WHERE state = 'leased' AND serial_key IS NOT NULL;

CREATE TABLE idempotency (
    scope       text    NOT NULL,
    key         text    NOT NULL,
    fingerprint text    NOT NULL,
    status      integer NOT NULL,
    subject     uuid,
    expires_at  bigint  NOT NULL,
    body        text    NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_expiring ON idempotency (expires_at);

-- Channel documents.
CREATE TABLE document (
    seq            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id             uuid   NOT NULL UNIQUE,
    company        text   NOT NULL,
    channel        text   NOT NULL,
    partner        text   NOT NULL,
    account        text   NOT NULL,
    direction      text   NOT NULL,
    kind           text   NOT NULL,
    state          text   NOT NULL,
    control_number bigint,
    answers        uuid,
    order_id       uuid,
    created_at     bigint NOT NULL,
    lease          uuid,
    lease_until    bigint,
    media_type     text,
    context        text,
    content        bytea
);
CREATE UNIQUE INDEX document_control_number ON document (company, channel, partner, control_number)
    WHERE control_number IS NOT NULL;
CREATE INDEX document_of_partner ON document (company, channel, partner, direction, seq);
CREATE INDEX document_answering ON document (answers) WHERE answers IS NOT NULL;
CREATE INDEX document_workable ON document (company, channel, direction, seq) WHERE state IN ('received', 'due');
CREATE INDEX document_sendable ON document (company, channel, seq) WHERE state = 'ready';
-- Documents of one order are sent one after the other.
CREATE INDEX document_unsent_of_order ON document (order_id, seq)
    WHERE order_id IS NOT NULL AND state IN ('due', 'ready');

-- What became of a document, in its channel's terms.
CREATE TABLE document_outcome (
    document_id uuid PRIMARY KEY REFERENCES document (id),
    outcome     text NOT NULL
);

CREATE TABLE document_key (
    company     text   NOT NULL,
    channel     text   NOT NULL,
    partner     text   NOT NULL,
    key         text   NOT NULL,
    document_id uuid   NOT NULL REFERENCES document (id),
    expires_at  bigint NOT NULL,
    PRIMARY KEY (company, channel, partner, key)
);
CREATE INDEX document_key_expiring ON document_key (expires_at);

CREATE TABLE control_number (
    company text   NOT NULL,
    channel text   NOT NULL,
    partner text   NOT NULL,
    last    bigint NOT NULL,
    PRIMARY KEY (company, channel, partner)
);

-- Channel sessions: what a channel keeps of a partner's buyer between two requests.
CREATE TABLE session (
    seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          uuid   NOT NULL,
    company     text   NOT NULL,
    channel     text   NOT NULL,
    partner     text   NOT NULL,
    account     text   NOT NULL,
    version     bigint NOT NULL CHECK (version > 0),
    fingerprint text   NOT NULL,
    created_at  bigint NOT NULL,
    expires_at  bigint NOT NULL,
    content     text   NOT NULL,
    UNIQUE (company, channel, id)
);
CREATE INDEX session_living ON session (company, channel, partner, expires_at);
CREATE INDEX session_ended ON session (expires_at);

CREATE TABLE session_key (
    company text   NOT NULL,
    channel text   NOT NULL,
    partner text   NOT NULL,
    key     text   NOT NULL,
    session bigint NOT NULL REFERENCES session (seq) ON DELETE CASCADE,
    PRIMARY KEY (company, channel, partner, key, session)
);
CREATE INDEX session_key_of_session ON session_key (session);

-- Why something was decided. A fact is stored once, by its content, and referred to by its SHA-256.
CREATE TABLE fact_blob (
    hash    bytea PRIMARY KEY,
    content text  NOT NULL
);

CREATE TABLE decision (
    id      uuid PRIMARY KEY,
    company text NOT NULL,
    record  text NOT NULL,
    facts   text NOT NULL
);

-- Who did what: each line carries the hash of the one before, and none is changed or removed. The sequencer chains what
-- was committed.
CREATE TABLE audit (
    seq  bigint PRIMARY KEY,
    line text   NOT NULL,
    hash bytea  NOT NULL
);
CREATE TABLE audit_unchained (
    seq  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    line text   NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is not changed, and nothing is removed from it';
END $$;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();

-- Written to when asked whether the store can be written to.
CREATE TABLE store_check (
    id    integer PRIMARY KEY CHECK (id = 1),
    times bigint  NOT NULL
) WITH (fillfactor = 50);
INSERT INTO store_check (id, times) VALUES (1, 0);

-- A condition of a commit does not hold: everything is undone. The name is that of the error that the caller gets, the
-- detail says whose.
CREATE FUNCTION refuse(name text, detail jsonb DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'OW001', MESSAGE = name, DETAIL = detail::text;
END $$;

-- Applies one commit: all of it, or an error. What is the same request, or the same purchase order, once more is told
-- first: its claims would not fit either, and "short" would be the wrong answer. The rows that are tested are locked in
-- the order of these calls, and within one in the order of their keys.
CREATE FUNCTION orderway_commit(given jsonb, texts text[], contents bytea[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    cause  jsonb := given -> 'cause';
    answer jsonb := '{}';
BEGIN
    IF given ? 'idempotency' THEN
        PERFORM commit_idempotency(cause, given -> 'idempotency', texts);
    END IF;
    IF given ? 'changes' THEN
        PERFORM commit_streams(cause, given -> 'changes', texts);
    END IF;
    IF given ? 'documents' THEN
        answer := answer || jsonb_build_object(
            'documents', commit_documents(cause, given -> 'documents', texts, contents));
    END IF;
    IF given ? 'sessions' THEN
        answer := answer || jsonb_build_object('sessions', commit_sessions(cause, given -> 'sessions', texts));
    END IF;
    IF given ? 'stock' THEN
        PERFORM commit_stock(cause, given -> 'stock');
    END IF;
    IF given ? 'credit' THEN
        PERFORM commit_credit(cause, given -> 'credit');
    END IF;
    IF given ? 'bounds' THEN
        PERFORM commit_bounds(cause, given -> 'bounds');
    END IF;
    IF given ? 'effects' THEN
        PERFORM commit_effects(cause, given -> 'effects', texts);
    END IF;
    IF given ? 'decision' THEN
        PERFORM commit_decision(cause, given -> 'decision', texts);
    END IF;
    IF given ? 'cursors' THEN
        PERFORM commit_cursors(cause, given -> 'cursors');
    END IF;
    IF given ? 'parked' THEN
        PERFORM commit_parked(cause, given -> 'parked', texts);
    END IF;
    IF given ? 'subscriptions' THEN
        PERFORM commit_subscriptions(cause, given -> 'subscriptions', texts);
    END IF;
    IF given ? 'audit' THEN
        PERFORM commit_audit(given -> 'audit', texts);
    END IF;
    RETURN answer;
END $$;

-- Streams: the rows are locked first and tested in later statements, whose snapshots see what was waited for. Of two
-- that begin one stream, or take one purchase order, the second waits for the first at the unique index.
CREATE FUNCTION commit_streams(cause jsonb, given jsonb, texts text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    change jsonb;
BEGIN
    PERFORM FROM sales_order WHERE id IN (SELECT (value ->> 'id')::uuid FROM jsonb_array_elements(given)
        WHERE value ->> 'kind' = 'order' AND value ->> 'expected_version' <> '0') ORDER BY id FOR UPDATE;
    PERFORM FROM quote WHERE id IN (SELECT (value ->> 'id')::uuid FROM jsonb_array_elements(given)
        WHERE value ->> 'kind' = 'quote' AND value ->> 'expected_version' <> '0') ORDER BY id FOR UPDATE;
    PERFORM FROM reservation WHERE id IN (SELECT (value ->> 'id')::uuid FROM jsonb_array_elements(given)
        WHERE value ->> 'kind' = 'reservation' AND value ->> 'expected_version' <> '0') ORDER BY id FOR UPDATE;
    FOR change IN SELECT value FROM jsonb_array_elements(given) LOOP
        CASE change ->> 'kind'
            WHEN 'order' THEN PERFORM commit_order(cause, change, texts);
            WHEN 'quote' THEN PERFORM commit_quote(cause, change, texts);
            WHEN 'reservation' THEN PERFORM commit_reservation(cause, change, texts);
        END CASE;
        PERFORM write_events(cause, change, texts);
    END LOOP;
END $$;

CREATE FUNCTION write_events(cause jsonb, change jsonb, texts text[]) RETURNS void LANGUAGE sql AS $$
    WITH written AS (
        INSERT INTO event (id, stream_kind, stream_id, version, type, type_version, company, account, time, principal,
            channel, correlation_id, traceparent, data)
        SELECT (one.value ->> 'id')::uuid, change ->> 'kind', (change ->> 'id')::uuid,
            (change ->> 'expected_version')::bigint + one.ordinality, one.value ->> 'type',
            (one.value ->> 'type_version')::integer, cause ->> 'company', change ->> 'account', (cause ->> 'at')::bigint,
            cause ->> 'principal', cause ->> 'channel', cause ->> 'correlation_id', cause ->> 'traceparent',
            texts[(one.value ->> 'data')::integer]
        FROM jsonb_array_elements(change -> 'events') WITH ORDINALITY AS one
        ORDER BY one.ordinality
        RETURNING seq)
    INSERT INTO event_unstamped (seq) SELECT seq FROM written;
$$;

CREATE FUNCTION refuse_version(change jsonb) RETURNS void LANGUAGE sql AS $$
    SELECT refuse('version_conflict', jsonb_build_object('kind', change -> 'kind', 'id', change -> 'id'));
$$;

CREATE FUNCTION commit_order(cause jsonb, change jsonb, texts text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    fields   jsonb   := change -> 'row';
    this     uuid    := (change ->> 'id')::uuid;
    expected bigint  := (change ->> 'expected_version')::bigint;
    newest   bigint  := expected + jsonb_array_length(change -> 'events');
    takes    boolean := (fields ->> 'holds_purchase_order')::boolean;
    waits    text[]  := ARRAY(SELECT jsonb_array_elements_text(fields -> 'holds'));
    other    uuid;
BEGIN
    IF expected > 0 AND NOT EXISTS (SELECT FROM sales_order WHERE id = this AND version = expected) THEN
        PERFORM refuse_version(change);
    END IF;
    IF takes THEN
        SELECT id INTO other FROM sales_order
        WHERE company = cause ->> 'company' AND account = change ->> 'account'
            AND purchase_order_number = fields ->> 'purchase_order_number'
            AND release_number = fields ->> 'release_number' AND holds_purchase_order AND id <> this;
        IF FOUND THEN
            PERFORM refuse('purchase_order_taken', jsonb_build_object('order_id', other));
        END IF;
    END IF;
    IF expected = 0 THEN
        INSERT INTO sales_order (id, version, company, account, purchase_order_number, release_number,
            reference, holds_purchase_order, status, holds, state)
        VALUES (this, newest, cause ->> 'company', change ->> 'account', fields ->> 'purchase_order_number',
            fields ->> 'release_number', fields ->> 'reference', takes, fields ->> 'status', waits, texts[(fields ->> 'state')::integer])
        ON CONFLICT (id) DO NOTHING;
        IF NOT FOUND THEN
            PERFORM refuse_version(change);
        END IF;
    ELSE
        UPDATE sales_order SET version = newest, purchase_order_number = fields ->> 'purchase_order_number',
            release_number = fields ->> 'release_number', reference = fields ->> 'reference',
            holds_purchase_order = takes, status = fields ->> 'status', holds = waits, state = texts[(fields ->> 'state')::integer]
        WHERE id = this;
    END IF;
END $$;

CREATE FUNCTION commit_quote(cause jsonb, change jsonb, texts text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    fields   jsonb  := change -> 'row';
    expected bigint := (change ->> 'expected_version')::bigint;
    newest   bigint := expected + jsonb_array_length(change -> 'events');
BEGIN
    IF expected = 0 THEN
        INSERT INTO quote (id, version, company, account, expires_at, state)
        VALUES ((change ->> 'id')::uuid, newest, cause ->> 'company', change ->> 'account',
            (fields ->> 'expires_at')::bigint, texts[(fields ->> 'state')::integer])
        ON CONFLICT (id) DO NOTHING;
    ELSE
        UPDATE quote SET version = newest, expires_at = (fields ->> 'expires_at')::bigint,
            state = texts[(fields ->> 'state')::integer]
        WHERE id = (change ->> 'id')::uuid AND version = expected;
    END IF;
    IF NOT FOUND THEN
        PERFORM refuse_version(change);
    END IF;
END $$;

CREATE FUNCTION commit_reservation(cause jsonb, change jsonb, texts text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    fields   jsonb  := change -> 'row';
    expected bigint := (change ->> 'expected_version')::bigint;
    newest   bigint := expected + jsonb_array_length(change -> 'events');
BEGIN
    IF expected = 0 THEN
        INSERT INTO reservation (id, version, company, account, expires_at, state)
        VALUES ((change ->> 'id')::uuid, newest, cause ->> 'company', change ->> 'account',
            (fields ->> 'expires_at')::bigint, texts[(fields ->> 'state')::integer])
        ON CONFLICT (id) DO NOTHING;
    ELSE
        UPDATE reservation SET version = newest, expires_at = (fields ->> 'expires_at')::bigint,
            state = texts[(fields ->> 'state')::integer]
        WHERE id = (change ->> 'id')::uuid AND version = expected;
    END IF;
    IF NOT FOUND THEN
        PERFORM refuse_version(change);
    END IF;
END $$;

-- Effects: one after the other, as they are given.
CREATE FUNCTION commit_effects(cause jsonb, given jsonb, texts text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    change jsonb;
BEGIN
    FOR change IN SELECT value FROM jsonb_array_elements(given) LOOP
        CASE change ->> 'do'
            WHEN 'new' THEN
                INSERT INTO effect (id, kind, order_id, state, due_at, serial_key, created_at, traceparent,
                    correlation_id, payload, progress, background)
                VALUES ((change ->> 'id')::uuid, change ->> 'kind', (change ->> 'order_id')::uuid, 'pending',
                    (change ->> 'due_at')::bigint, change ->> 'serial_key', (cause ->> 'at')::bigint,
                    cause ->> 'traceparent', cause ->> 'correlation_id', texts[(change ->> 'payload')::integer], 'null',
                    (change ->> 'background')::boolean);
            WHEN 'drop_all' THEN
                UPDATE effect SET state = 'dropped'
                WHERE order_id = (change ->> 'order_id')::uuid AND state IN ('pending', 'stopped');
            WHEN 'resume_stopped' THEN
                UPDATE effect SET state = 'pending', awake = false, due_at = (change ->> 'due_at')::bigint
                -- Or waits to be woken: until the year 2200.
                WHERE order_id = (change ->> 'order_id')::uuid
                    AND (state = 'stopped' OR (state = 'pending' AND due_at = 7258118400000000000));
            ELSE
                PERFORM end_effect(change, texts);
        END CASE;
    END LOOP;
END $$;

CREATE FUNCTION end_effect(outcome jsonb, texts text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    becomes text := CASE outcome ->> 'do'
        WHEN 'done' THEN 'done' WHEN 'later' THEN 'pending' WHEN 'stopped' THEN 'stopped' WHEN 'keep' THEN 'leased' END;
    kept boolean := becomes = 'leased';
BEGIN
    UPDATE effect SET state = becomes, awake = false, lease = CASE WHEN kept THEN lease END,
        lease_until = CASE WHEN kept THEN lease_until END,
        due_at = coalesce((outcome ->> 'due_at')::bigint, due_at),
        progress = coalesce(texts[(outcome ->> 'progress')::integer], progress)
    WHERE id = (outcome ->> 'effect')::uuid AND lease = (outcome ->> 'lease')::uuid AND state = 'leased';
    IF NOT FOUND THEN
        PERFORM refuse('lease_lost');
    END IF;
END $$;

-- Leases due effects, oldest first, at most one for each serial key, and those of the background last; nobody waits for
-- another who leases. One row a key is looked at, however long its queue. The lock of a key is held to the end of the
-- transaction, and who has it looks, in a later statement, whether the key is held.
CREATE FUNCTION lease_effects(moment bigint, ends_at bigint, most integer) RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
    candidate record;
    leased    effect;
    taken     integer := 0;
    -- Others may hold some of what is found.
    found_at_most integer := most * 4;
BEGIN
    -- Whoever held these is gone, or past the time after which it starts nothing.
    UPDATE effect SET state = 'pending', awake = false, lease = NULL, lease_until = NULL WHERE seq IN (
        SELECT seq FROM effect WHERE state = 'leased' AND lease_until <= moment FOR UPDATE SKIP LOCKED);
    UPDATE effect SET awake = true WHERE seq IN (
        SELECT seq FROM effect WHERE state = 'pending' AND NOT awake AND due_at <= moment
        ORDER BY due_at, seq LIMIT 1000 FOR UPDATE SKIP LOCKED);
    FOR candidate IN
        WITH RECURSIVE queue (key) AS (
            SELECT min(serial_key) FROM effect WHERE state = 'pending' AND awake AND serial_key IS NOT NULL
            UNION ALL
            SELECT (SELECT min(serial_key) FROM effect WHERE state = 'pending' AND awake AND serial_key > queue.key)
            FROM queue WHERE queue.key IS NOT NULL)
        (SELECT false AS last, free.seq, free.serial_key FROM effect AS free
         WHERE free.state = 'pending' AND free.awake AND free.serial_key IS NULL AND NOT free.background
            AND free.due_at <= moment
         ORDER BY free.seq LIMIT found_at_most)
        UNION ALL
        (SELECT false, head.seq, queue.key
         FROM queue CROSS JOIN LATERAL (
            SELECT waiting.seq FROM effect AS waiting
            WHERE waiting.state = 'pending' AND waiting.awake AND waiting.serial_key = queue.key
                AND waiting.due_at <= moment
            ORDER BY waiting.seq LIMIT 1) AS head
         WHERE NOT EXISTS (SELECT FROM effect AS held WHERE held.serial_key = queue.key AND held.state = 'leased'
            AND held.serial_key IS NOT NULL)
         ORDER BY head.seq LIMIT found_at_most)
        UNION ALL
        (SELECT true, free.seq, free.serial_key FROM effect AS free
         WHERE free.state = 'pending' AND free.awake AND free.serial_key IS NULL AND free.background
            AND free.due_at <= moment
         ORDER BY free.seq
         -- So many at a time, so that what comes then finds room.
         LIMIT greatest(0, 4 - (SELECT count(*) FROM effect WHERE state = 'leased' AND background)))
        ORDER BY last, seq
    LOOP
        EXIT WHEN taken >= most;
        CONTINUE WHEN candidate.serial_key IS NOT NULL
            AND NOT pg_try_advisory_xact_lock(hashtextextended('effect ' || candidate.serial_key, 0));
        SELECT * INTO leased FROM effect AS waiting
        WHERE waiting.seq = candidate.seq AND waiting.state = 'pending' AND waiting.due_at <= moment
            AND (waiting.serial_key IS NULL OR NOT EXISTS (SELECT FROM effect AS held
                WHERE held.serial_key = waiting.serial_key AND held.state = 'leased' AND held.serial_key IS NOT NULL))
        FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        UPDATE effect SET state = 'leased', lease = gen_random_uuid(), lease_until = ends_at
        WHERE seq = leased.seq RETURNING * INTO leased;
        taken := taken + 1;
        RETURN NEXT leased;
    END LOOP;
END $$;

-- The lines are chained after the commit, by the sequencer.
CREATE FUNCTION commit_audit(given jsonb, texts text[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO audit_unchained (line)
    SELECT texts[value::integer] FROM jsonb_array_elements_text(given) WITH ORDINALITY ORDER BY ordinality;
$$;

-- One run of the sequencer: gives positions to committed events, each stream in its order, and chains committed audit
-- lines. Only under the lease: whoever runs holds its row, so two never run at once, and a holder that was overtaken
-- finds another's name there. NULL = another holds the lease. The readers are woken by the commit.
CREATE FUNCTION sequence_events(me uuid, lease interval, most integer, wake text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    mine    sequencer;
    moment  timestamptz := clock_timestamp();
    stamped bigint;
    chained bigint := 0;
    entry   record;
    last    audit;
BEGIN
    SELECT * INTO mine FROM sequencer WHERE id = 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND OR (mine.holder IS DISTINCT FROM me AND mine.until > moment) THEN
        RETURN NULL;
    END IF;
    WITH taken AS (
        DELETE FROM event_unstamped WHERE seq IN (SELECT seq FROM event_unstamped ORDER BY seq LIMIT most) RETURNING seq)
    INSERT INTO feed (position, seq, company, account)
    SELECT mine.position + row_number() OVER (ORDER BY event.seq), event.seq, event.company, event.account
    FROM taken JOIN event USING (seq);
    GET DIAGNOSTICS stamped = ROW_COUNT;
    FOR entry IN SELECT seq, line FROM audit_unchained ORDER BY seq LIMIT most LOOP
        IF chained = 0 THEN
            SELECT * INTO last FROM audit ORDER BY seq DESC LIMIT 1;
        END IF;
        INSERT INTO audit (seq, line, hash)
        VALUES (coalesce(last.seq, 0) + 1, entry.line, sha256(coalesce(last.hash, '') || convert_to(entry.line, 'UTF8')))
        RETURNING * INTO last;
        DELETE FROM audit_unchained WHERE seq = entry.seq;
        chained := chained + 1;
    END LOOP;
    IF stamped > 0 OR mine.holder IS DISTINCT FROM me OR mine.until < moment + lease / 2 THEN
        UPDATE sequencer SET holder = me, epoch = epoch + (mine.holder IS DISTINCT FROM me)::integer,
            until = moment + lease, position = position + stamped
        WHERE id = 1;
    END IF;
    IF stamped > 0 THEN
        PERFORM pg_notify(wake, 'position ' || (mine.position + stamped));
    END IF;
    RETURN jsonb_build_object('position', mine.position + stamped, 'more', stamped = most OR chained = most);
END $$;
