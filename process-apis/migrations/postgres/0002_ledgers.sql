-- Claims: stock and credit; and what is written beside them once: idempotency answers and decision records.
--
-- What a commit tests is locked first, in the order of the keys, and tested in later statements: a snapshot taken
-- before the wait for a lock would not know what the one waited for has taken. Movements come as they are written in
-- process-apis/src/store/postgres/{stock,credit}.rs.

-- The bucket of a day, counted from 1: before the first day it is the first, beyond the last the last; 0 = none.
CREATE FUNCTION stock_bucket(first_day date, buckets integer, day date) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT least(greatest(day - first_day, 0), buckets - 1) + 1
$$;

-- Whether every bucket from the given one on still has the quantity.
CREATE FUNCTION stock_fits(available numeric[], claimed numeric[], bucket integer, quantity numeric)
RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF quantity <= 0 OR cardinality(available) = 0 THEN
        RETURN false;
    END IF;
    FOR n IN bucket .. cardinality(available) LOOP
        IF available[n] - claimed[n] < quantity THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN true;
END $$;

-- What is claimed once the quantity is taken out of every bucket from the given one on; a negative one gives it back.
CREATE FUNCTION stock_taken(claimed numeric[], bucket integer, quantity numeric) RETURNS numeric[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    FOR n IN greatest(bucket, 1) .. cardinality(claimed) LOOP
        claimed[n] := claimed[n] + quantity;
    END LOOP;
    RETURN claimed;
END $$;

-- Whether a fact counts a movement: it was read later than the confirmation and the source's lag.
CREATE FUNCTION fact_covers(as_of bigint, lag bigint, confirmed_at bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(confirmed_at::numeric + lag < as_of, false)
$$;

-- Locks the stock rows that the movements test or change.
CREATE FUNCTION lock_stock(movements jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM stock JOIN (
        SELECT n.company, n.item, n.site
        FROM jsonb_to_recordset(movements) AS n (movement text, company text, item text, site text)
        WHERE n.movement = 'claim'
        UNION
        SELECT m.company, m.item, m.site
        FROM jsonb_to_recordset(movements) AS n (movement text, owner_kind text, owner_id uuid)
        JOIN stock_movement AS m ON m.owner_id = n.owner_id AND m.owner_kind = n.owner_kind
        WHERE n.movement <> 'claim'
    ) AS key USING (company, item, site)
    ORDER BY company, item, site FOR UPDATE OF stock;
END $$;

-- Applies the movements in the order given.
CREATE FUNCTION commit_stock(cause jsonb, given jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    m record;
BEGIN
    PERFORM lock_stock(given);
    FOR m IN SELECT * FROM jsonb_to_recordset(given) AS n (
        movement text, company text, item text, site text, owner_kind text, owner_id uuid, line integer, day date,
        quantity numeric, at bigint)
    LOOP
        CASE m.movement
        WHEN 'claim' THEN
            UPDATE stock AS s SET claimed = stock_taken(
                s.claimed, stock_bucket(s.first_day, cardinality(s.claimed), m.day), m.quantity)
            WHERE (s.company, s.item, s.site) = (m.company, m.item, m.site) AND stock_fits(s.available,
                s.claimed, stock_bucket(s.first_day, cardinality(s.available), m.day), m.quantity);
            IF NOT FOUND THEN
                PERFORM refuse('stock_short',
                    jsonb_build_object('company', m.company, 'item', m.item, 'site', m.site));
            END IF;
            INSERT INTO stock_movement (company, item, site, owner_kind, owner_id, line, day, quantity)
            VALUES (m.company, m.item, m.site, m.owner_kind, m.owner_id, m.line, m.day, m.quantity);
        WHEN 'release' THEN
            PERFORM end_stock(m.owner_kind, m.owner_id, m.line, NULL);
        WHEN 'confirm' THEN
            -- The first confirmation rules: what is said twice must not count longer.
            UPDATE stock_movement SET confirmed_at = m.at
            WHERE owner_id = m.owner_id AND owner_kind = m.owner_kind AND confirmed_at IS NULL;
            -- The fact in force may be newer than the confirmation already: then it counts the claim as of now.
            PERFORM end_stock(m.owner_kind, m.owner_id, NULL, m.at);
        END CASE;
    END LOOP;
END $$;

-- Takes an owner's movements out of their rows, once each: those of one line, where one is named, and those that the
-- fact in force covers, where it is said when they were confirmed.
CREATE FUNCTION end_stock(of_kind text, of_owner uuid, of_line integer, confirmed bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    ended record;
BEGIN
    FOR ended IN
        DELETE FROM stock_movement AS m WHERE m.owner_id = of_owner AND m.owner_kind = of_kind
            AND (of_line IS NULL OR m.line = of_line)
            AND (confirmed IS NULL OR EXISTS (
                SELECT 1 FROM stock AS s WHERE (s.company, s.item, s.site) = (m.company, m.item, m.site)
                    AND fact_covers(s.as_of, s.lag, confirmed)))
        RETURNING m.*
    LOOP
        UPDATE stock AS s SET claimed = stock_taken(
            s.claimed, stock_bucket(s.first_day, cardinality(s.claimed), ended.day), -ended.quantity)
        WHERE (s.company, s.item, s.site) = (ended.company, ended.item, ended.site);
    END LOOP;
END $$;

-- Installs the facts that are newer, in the order given, and answers every position as it then is.
CREATE FUNCTION install_stock(facts jsonb) RETURNS SETOF stock LANGUAGE plpgsql AS $$
DECLARE
    f record;
    position stock;
    buckets integer;
    taken numeric[];
BEGIN
    PERFORM lock_stock_facts(facts);
    FOR f IN SELECT * FROM jsonb_to_recordset(facts) AS n (
        company text, item text, site text, as_of bigint, lag bigint, first_day date, available numeric[])
    LOOP
        SELECT * INTO position FROM stock AS s WHERE (s.company, s.item, s.site) = (f.company, f.item, f.site);
        IF position.as_of IS NULL OR f.as_of > position.as_of THEN
            -- What the fact covers stops counting; the other claims are counted anew, by their days.
            DELETE FROM stock_movement AS m WHERE (m.company, m.item, m.site) = (f.company, f.item, f.site)
                AND fact_covers(f.as_of, f.lag, m.confirmed_at);
            buckets := cardinality(f.available);
            SELECT coalesce(array_agg(running ORDER BY bucket), '{}') INTO taken FROM (
                SELECT bucket, sum(coalesce(of_bucket.quantity, 0)) OVER (ORDER BY bucket) AS running
                FROM generate_series(1, buckets) AS bucket LEFT JOIN (
                    SELECT stock_bucket(f.first_day, buckets, m.day) AS bucket, sum(m.quantity) AS quantity
                    FROM stock_movement AS m WHERE (m.company, m.item, m.site) = (f.company, f.item, f.site)
                    GROUP BY 1
                ) AS of_bucket USING (bucket)
            ) AS claims;
            INSERT INTO stock AS s (company, item, site, as_of, lag, first_day, available, claimed)
            VALUES (f.company, f.item, f.site, f.as_of, f.lag, f.first_day, f.available, taken)
            ON CONFLICT (company, item, site) DO UPDATE SET as_of = excluded.as_of, lag = excluded.lag,
                first_day = excluded.first_day, available = excluded.available, claimed = excluded.claimed
            RETURNING s.* INTO position;
        END IF;
        RETURN NEXT position;
    END LOOP;
END $$;

-- Locks the rows of the facts that are newer than what is known, or the places where rows will be. Where none is newer
-- there is nothing to lock.
CREATE FUNCTION lock_stock_facts(facts jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    f record;
BEGIN
    FOR f IN
        SELECT DISTINCT n.company, n.item, n.site
        FROM jsonb_to_recordset(facts) AS n (company text, item text, site text, as_of bigint)
        WHERE NOT EXISTS (SELECT 1 FROM stock AS s
            WHERE (s.company, s.item, s.site) = (n.company, n.item, n.site) AND s.as_of >= n.as_of)
        ORDER BY n.company, n.item, n.site
    LOOP
        PERFORM 1 FROM stock AS s WHERE (s.company, s.item, s.site) = (f.company, f.item, f.site) FOR UPDATE;
        IF NOT FOUND THEN
            PERFORM lock_absent('stock', f.company, f.item, f.site);
            -- Whoever was waited for may have installed it.
            PERFORM 1 FROM stock AS s WHERE (s.company, s.item, s.site) = (f.company, f.item, f.site) FOR UPDATE;
        END IF;
    END LOOP;
END $$;

-- Locks the levels that the movements test or change, or the places where they will be: a forced claim may stand before
-- its level is known, and must be seen by whoever installs that.
CREATE FUNCTION lock_credit(movements jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    level record;
BEGIN
    FOR level IN
        SELECT l.company, l.account
        FROM jsonb_to_recordset(movements) AS n (movement text, levels jsonb),
            jsonb_to_recordset(n.levels) AS l (company text, account text)
        WHERE n.movement = 'claim'
        UNION
        SELECT m.company, m.account
        FROM jsonb_to_recordset(movements) AS n (movement text, owner_kind text, owner_id uuid)
        JOIN credit_movement AS m ON m.owner_id = n.owner_id AND m.owner_kind = n.owner_kind
        WHERE n.movement <> 'claim'
        ORDER BY 1, 2
    LOOP
        PERFORM lock_level(level.company, level.account);
    END LOOP;
END $$;

CREATE FUNCTION lock_level(of_company text, of_account text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM credit WHERE (company, account) = (of_company, of_account) FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM lock_absent('credit', of_company, of_account);
        -- Whoever was waited for may have installed it.
        PERFORM 1 FROM credit WHERE (company, account) = (of_company, of_account) FOR UPDATE;
    END IF;
END $$;

-- Locks the place of a row that is not there yet, until the end of the transaction.
CREATE FUNCTION lock_absent(VARIADIC key text[]) RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtextextended(array_to_json(key)::text, 0))
$$;

-- Applies the movements in the order given.
CREATE FUNCTION commit_credit(cause jsonb, given jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    m record;
    level record;
BEGIN
    PERFORM lock_credit(given);
    FOR m IN SELECT * FROM jsonb_to_recordset(given) AS n (
        movement text, levels jsonb, owner_kind text, owner_id uuid, amount numeric, limit_is_exclusive boolean,
        forced boolean, at bigint)
    LOOP
        CASE m.movement
        WHEN 'claim' THEN
            FOR level IN SELECT * FROM jsonb_to_recordset(m.levels) AS l (company text, account text) LOOP
                UPDATE credit AS c SET claimed = c.claimed + m.amount
                WHERE (c.company, c.account) = (level.company, level.account)
                    AND (m.forced OR credit_fits(c, m.amount, m.limit_is_exclusive));
                IF NOT FOUND AND NOT m.forced THEN
                    PERFORM refuse('credit_short', to_jsonb(level));
                END IF;
                INSERT INTO credit_movement (company, account, owner_kind, owner_id, amount)
                VALUES (level.company, level.account, m.owner_kind, m.owner_id, m.amount);
            END LOOP;
        WHEN 'release' THEN
            PERFORM end_credit(m.owner_kind, m.owner_id, NULL);
        WHEN 'confirm' THEN
            -- The first confirmation rules: what is said twice must not count longer.
            UPDATE credit_movement SET confirmed_at = m.at
            WHERE owner_id = m.owner_id AND owner_kind = m.owner_kind AND confirmed_at IS NULL;
            -- The fact in force may be newer than the confirmation already: then it counts the claim as of now.
            PERFORM end_credit(m.owner_kind, m.owner_id, m.at);
        END CASE;
    END LOOP;
END $$;

CREATE FUNCTION credit_fits(level credit, amount numeric, limit_is_exclusive boolean) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT NOT level.blocked AND amount >= 0 AND (level.credit_limit IS NULL
        OR level.exposure + level.claimed + amount < level.credit_limit
        OR level.exposure + level.claimed + amount = level.credit_limit AND NOT limit_is_exclusive)
$$;

-- Takes an owner's movements out of their levels, once each; where it is said when they were confirmed, only those that
-- the fact in force covers.
CREATE FUNCTION end_credit(of_kind text, of_owner uuid, confirmed bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ended record;
BEGIN
    FOR ended IN
        DELETE FROM credit_movement AS m WHERE m.owner_id = of_owner AND m.owner_kind = of_kind
            AND (confirmed IS NULL OR EXISTS (
                SELECT 1 FROM credit AS c WHERE (c.company, c.account) = (m.company, m.account)
                    AND fact_covers(c.as_of, c.lag, confirmed)))
        RETURNING m.*
    LOOP
        UPDATE credit AS c SET claimed = c.claimed - ended.amount
        WHERE (c.company, c.account) = (ended.company, ended.account);
    END LOOP;
END $$;

-- Installs the facts that are newer, in the order given, and answers every level as it then is.
CREATE FUNCTION install_credit(facts jsonb) RETURNS SETOF credit LANGUAGE plpgsql AS $$
DECLARE
    f record;
    level credit;
    taken numeric;
BEGIN
    FOR f IN
        SELECT DISTINCT n.company, n.account
        FROM jsonb_to_recordset(facts) AS n (company text, account text, as_of bigint)
        WHERE NOT EXISTS (SELECT 1 FROM credit AS c
            WHERE (c.company, c.account) = (n.company, n.account) AND c.as_of >= n.as_of)
        ORDER BY n.company, n.account
    LOOP
        PERFORM lock_level(f.company, f.account);
    END LOOP;
    FOR f IN SELECT * FROM jsonb_to_recordset(facts) AS n (
        company text, account text, as_of bigint, lag bigint, currency text, credit_limit numeric, exposure numeric,
        blocked boolean)
    LOOP
        SELECT * INTO level FROM credit AS c WHERE (c.company, c.account) = (f.company, f.account);
        IF level.as_of IS NULL OR f.as_of > level.as_of THEN
            DELETE FROM credit_movement AS m WHERE (m.company, m.account) = (f.company, f.account)
                AND fact_covers(f.as_of, f.lag, m.confirmed_at);
            SELECT coalesce(sum(m.amount), 0) INTO taken FROM credit_movement AS m
            WHERE (m.company, m.account) = (f.company, f.account);
            INSERT INTO credit AS c
                (company, account, as_of, lag, currency, credit_limit, exposure, claimed, blocked)
            VALUES (f.company, f.account, f.as_of, f.lag, f.currency, f.credit_limit, f.exposure, taken, f.blocked)
            ON CONFLICT (company, account) DO UPDATE SET as_of = excluded.as_of, lag = excluded.lag,
                currency = excluded.currency, credit_limit = excluded.credit_limit, exposure = excluded.exposure,
                claimed = excluded.claimed, blocked = excluded.blocked
            RETURNING c.* INTO level;
        END IF;
        RETURN NEXT level;
    END LOOP;
END $$;

-- Keeps the answer, unless its key has one that has not expired; without a cause, one at all. Whoever comes at the same
-- time waits for the other's end.
CREATE FUNCTION commit_idempotency(cause jsonb, given jsonb, texts text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO idempotency AS known (scope, key, fingerprint, status, subject, expires_at, body)
    VALUES (given ->> 'scope', given ->> 'key', given ->> 'fingerprint', (given ->> 'status')::integer,
        (given ->> 'subject')::uuid, (given ->> 'expires_at')::bigint, texts[(given ->> 'body')::integer])
    ON CONFLICT (scope, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,
        subject = excluded.subject, expires_at = excluded.expires_at, body = excluded.body
    WHERE known.expires_at <= (cause ->> 'at')::bigint;
    IF NOT FOUND THEN
        PERFORM refuse('key_used');
    END IF;
END $$;

-- Writes a decision, and those of its facts that are not there yet: in their order, so that two commits with the same
-- facts do not wait for one another.
CREATE FUNCTION commit_decision(cause jsonb, given jsonb, texts text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fact_blob (hash, content)
    SELECT decode(fact.hash, 'hex'), texts[fact.content]
    FROM jsonb_to_recordset(given -> 'contents') AS fact (hash text, content integer)
    ORDER BY fact.hash
    ON CONFLICT (hash) DO NOTHING;
    INSERT INTO decision (id, company, record, facts)
    VALUES ((given ->> 'id')::uuid, cause ->> 'company', texts[(given ->> 'record')::integer],
        texts[(given ->> 'facts')::integer]);
END $$;
