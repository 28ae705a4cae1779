-- Webhooks: who is told of what, and how far each has been told.

CREATE TABLE subscription (
    id           uuid    PRIMARY KEY,
    company      text    NOT NULL,
    account      text    NOT NULL,
    version      bigint  NOT NULL CHECK (version > 0),
    state        text    NOT NULL CHECK (state IN ('active', 'paused', 'disabled')),
    position     bigint  NOT NULL,
    failing      boolean NOT NULL DEFAULT false,
    paused_until bigint,
    served_at    bigint  NOT NULL DEFAULT 0,
    lease        uuid,
    lease_until  bigint,
    created_at   bigint  NOT NULL,
    changed_at   bigint  NOT NULL,
    settings     text    NOT NULL,
    health       text    NOT NULL,
    CHECK ((lease IS NULL) = (lease_until IS NULL))
);
CREATE INDEX subscription_of_account ON subscription (company, account, id);
CREATE INDEX subscription_active ON subscription (failing, served_at) WHERE state = 'active';

-- What is not simply delivered: events that wait (one an order; nothing later of the order is sent before it), and
-- those that were given up.
CREATE TABLE subscription_delivery (
    subscription uuid   NOT NULL REFERENCES subscription (id) ON DELETE CASCADE,
    position     bigint NOT NULL,
    event_id     uuid   NOT NULL,
    subject      uuid   NOT NULL,
    state        text   NOT NULL CHECK (state IN ('waiting', 'dead')),
    due_at       bigint,
    dead_since   bigint,
    detail       text   NOT NULL,
    PRIMARY KEY (subscription, position),
    CHECK ((state = 'dead') = (dead_since IS NOT NULL))
);
CREATE UNIQUE INDEX subscription_delivery_waiting ON subscription_delivery (subscription, subject)
    WHERE state = 'waiting';
CREATE INDEX subscription_delivery_due ON subscription_delivery (subscription, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX subscription_delivery_dead ON subscription_delivery (dead_since) WHERE state = 'dead';

-- A subscription as the store reads it.
CREATE VIEW subscription_as_read AS
    SELECT s.*,
        (SELECT count(*) FROM subscription_delivery AS d WHERE d.subscription = s.id AND d.state = 'waiting') AS waiting,
        (SELECT count(*) FROM subscription_delivery AS d WHERE d.subscription = s.id AND d.state = 'dead') AS dead
    FROM subscription AS s;

CREATE FUNCTION commit_subscriptions(cause jsonb, given jsonb, texts text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    of_company text := cause ->> 'company';
    at bigint := (cause ->> 'at')::bigint;
    n record;
BEGIN
    FOR n IN SELECT * FROM jsonb_to_recordset(given) AS c (
        change text, id uuid, account text, settings integer, health integer, position bigint, most bigint,
        expected_version bigint, state text, due_at bigint, lease uuid, failing boolean, paused_until bigint,
        over jsonb, put jsonb, wake bigint)
    LOOP
        CASE n.change
        WHEN 'create' THEN
            -- Two that are made at once count each other.
            PERFORM pg_advisory_xact_lock(hashtextextended('subscription ' || of_company || '/' || n.account, 0));
            PERFORM count_subscriptions(of_company, n.account, n.most);
            INSERT INTO subscription (id, company, account, version, state, position, created_at, changed_at, settings,
                health)
            VALUES (n.id, of_company, n.account, 1, 'active', n.position, at, at, texts[n.settings], texts[n.health]);
        WHEN 'change' THEN
            UPDATE subscription AS s SET version = s.version + 1, settings = texts[n.settings], state = n.state,
                changed_at = at
            WHERE s.id = n.id AND s.version = n.expected_version;
            IF NOT FOUND THEN
                PERFORM refuse('subscription_changed', jsonb_build_object('id', n.id));
            END IF;
            IF n.state = 'active' THEN
                UPDATE subscription AS s SET failing = false, paused_until = NULL,
                    health = (s.health::jsonb || '{"failures": 0, "failing_since": null, "disabled_reason": null}')::text
                WHERE s.id = n.id;
                UPDATE subscription_delivery AS d SET due_at = at,
                    detail = (d.detail::jsonb || '{"attempts": 0, "first_failed_at": null}')::text
                WHERE d.subscription = n.id AND d.state = 'waiting';
            END IF;
        WHEN 'rewind' THEN
            UPDATE subscription AS s SET version = s.version + 1, position = least(s.position, n.position),
                changed_at = at, paused_until = NULL
            WHERE s.id = n.id AND s.version = n.expected_version;
            IF NOT FOUND THEN
                PERFORM refuse('subscription_changed', jsonb_build_object('id', n.id));
            END IF;
            DELETE FROM subscription_delivery AS d WHERE d.subscription = n.id AND d.position > n.position;
        WHEN 'delete' THEN
            DELETE FROM subscription AS s WHERE s.id = n.id AND s.version = n.expected_version;
            IF NOT FOUND THEN
                PERFORM refuse('subscription_changed', jsonb_build_object('id', n.id));
            END IF;
        WHEN 'replay' THEN
            UPDATE subscription_delivery AS d SET due_at = n.due_at
            WHERE d.subscription = n.id AND d.position = n.position AND d.state = 'dead';
        WHEN 'settle' THEN
            UPDATE subscription AS s SET position = n.position, health = texts[n.health], failing = n.failing,
                paused_until = n.paused_until, version = s.version + (n.state = 'disabled')::integer, state = n.state,
                lease = NULL, lease_until = NULL
            WHERE s.id = n.id AND s.lease = n.lease AND s.version = n.expected_version AND s.state = 'active';
            IF NOT FOUND THEN
                PERFORM refuse('lease_lost');
            END IF;
            PERFORM settle_deliveries(n.id, n.over, n.put, texts);
            UPDATE subscription_delivery AS d SET due_at = n.wake
            WHERE n.wake IS NOT NULL AND d.subscription = n.id AND d.state = 'waiting';
        WHEN 'release' THEN
            UPDATE subscription AS s SET lease = NULL, lease_until = NULL WHERE s.id = n.id AND s.lease = n.lease;
        END CASE;
    END LOOP;
END $$;

-- A statement of its own, so that it sees what was committed before the lock was had.
CREATE FUNCTION count_subscriptions(of_company text, of_account text, most bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF most <= (SELECT count(*) FROM subscription AS s WHERE (s.company, s.account) = (of_company, of_account)) THEN
        PERFORM refuse('subscription_limit');
    END IF;
END $$;

CREATE FUNCTION settle_deliveries(of_subscription uuid, over jsonb, put jsonb, texts text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM subscription_delivery AS d WHERE d.subscription = of_subscription
        AND d.position IN (SELECT value::bigint FROM jsonb_array_elements_text(over));
    DELETE FROM subscription_delivery AS d WHERE d.subscription = of_subscription
        AND d.position IN (SELECT (value ->> 'position')::bigint FROM jsonb_array_elements(put));
    INSERT INTO subscription_delivery (subscription, position, event_id, subject, state, due_at, dead_since, detail)
    SELECT of_subscription, p.position, p.event_id, p.subject, p.state, p.due_at, p.dead_since, texts[p.detail]
    FROM jsonb_to_recordset(put) AS p (position bigint, event_id uuid, subject uuid, state text, due_at bigint,
        dead_since bigint, detail integer);
END $$;

-- Subscriptions with something to send, to one sender each.
CREATE FUNCTION lease_subscriptions(moment bigint, ends_at bigint, of_failing boolean, most integer)
RETURNS SETOF uuid LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY UPDATE subscription AS s SET lease = gen_random_uuid(), lease_until = ends_at, served_at = moment
    WHERE s.id IN (
        SELECT waiting.id FROM subscription AS waiting
        WHERE waiting.state = 'active' AND waiting.failing = of_failing
            AND (waiting.lease_until IS NULL OR waiting.lease_until <= moment)
            AND (waiting.paused_until IS NULL OR waiting.paused_until <= moment)
            AND (EXISTS (SELECT FROM feed AS f
                    WHERE f.company = waiting.company AND f.account = waiting.account
                        AND f.position > waiting.position)
                OR EXISTS (SELECT FROM subscription_delivery AS d
                    WHERE d.subscription = waiting.id AND d.due_at <= moment))
        ORDER BY waiting.served_at, waiting.id LIMIT most FOR UPDATE SKIP LOCKED)
    RETURNING s.id;
END $$;
