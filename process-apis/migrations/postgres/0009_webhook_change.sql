-- A subscription begins anew when it is made active or given another address, and by no other change. An older release
-- works on with it.
CREATE OR REPLACE FUNCTION commit_subscriptions(cause jsonb, given jsonb, texts text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    of_company text := cause ->> 'company';
    at bigint := (cause ->> 'at')::bigint;
    anew boolean;
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
            SELECT n.state = 'active' AND (s.state <> 'active'
                    OR s.settings::jsonb ->> 'url' <> texts[n.settings]::jsonb ->> 'url') INTO anew
            FROM subscription AS s WHERE s.id = n.id FOR UPDATE;
            UPDATE subscription AS s SET version = s.version + 1, settings = texts[n.settings], state = n.state,
                changed_at = at
            WHERE s.id = n.id AND s.version = n.expected_version;
            IF NOT FOUND THEN
                PERFORM refuse('subscription_changed', jsonb_build_object('id', n.id));
            END IF;
            IF anew THEN
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
