-- Bounds on what is taken while a backend cannot be asked: a sum, and who took what of it. The row of a sum stays once it
-- is there, so that whoever waits for its lock finds it.

CREATE TABLE bound (
    company text    NOT NULL,
    bound   text    NOT NULL,
    claimed numeric NOT NULL,
    PRIMARY KEY (company, bound)
) WITH (fillfactor = 50);

CREATE TABLE bound_movement (
    id         bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company    text    NOT NULL,
    bound      text    NOT NULL,
    owner_kind text    NOT NULL,
    owner_id   uuid    NOT NULL,
    amount     numeric NOT NULL CHECK (amount > 0)
);
CREATE INDEX bound_movement_of_owner ON bound_movement (owner_id, owner_kind);

-- The sums are locked in the order of their keys, tested in later statements, and then taken one movement after the
-- other.
CREATE FUNCTION commit_bounds(cause jsonb, given jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    movement jsonb;
BEGIN
    INSERT INTO bound (company, bound, claimed)
    SELECT DISTINCT value ->> 'company', value ->> 'bound', 0 FROM jsonb_array_elements(given)
    WHERE value ->> 'movement' = 'claim' ORDER BY 1, 2
    ON CONFLICT DO NOTHING;
    PERFORM FROM bound WHERE (company, bound) IN (
        SELECT value ->> 'company', value ->> 'bound' FROM jsonb_array_elements(given)
        WHERE value ->> 'movement' = 'claim'
        UNION ALL
        SELECT held.company, held.bound FROM jsonb_array_elements(given)
            JOIN bound_movement AS held
                ON held.owner_id = (value ->> 'owner_id')::uuid AND held.owner_kind = value ->> 'owner_kind'
        WHERE value ->> 'movement' = 'release')
    ORDER BY company, bound FOR UPDATE;
    FOR movement IN SELECT value FROM jsonb_array_elements(given) WITH ORDINALITY ORDER BY ordinality LOOP
        IF movement ->> 'movement' = 'claim' THEN
            UPDATE bound SET claimed = claimed + (movement ->> 'amount')::numeric
            WHERE company = movement ->> 'company' AND bound = movement ->> 'bound'
                AND claimed + (movement ->> 'amount')::numeric <= (movement ->> 'limit')::numeric;
            IF NOT FOUND THEN
                PERFORM refuse('bound_reached',
                    jsonb_build_object('company', movement ->> 'company', 'bound', movement ->> 'bound'));
            END IF;
            INSERT INTO bound_movement (company, bound, owner_kind, owner_id, amount)
            VALUES (movement ->> 'company', movement ->> 'bound', movement ->> 'owner_kind',
                (movement ->> 'owner_id')::uuid, (movement ->> 'amount')::numeric);
        ELSE
            WITH given_back AS (
                DELETE FROM bound_movement
                WHERE owner_id = (movement ->> 'owner_id')::uuid AND owner_kind = movement ->> 'owner_kind'
                RETURNING company, bound, amount)
            UPDATE bound SET claimed = bound.claimed - back.amount
            FROM (SELECT company, bound, sum(amount) AS amount FROM given_back GROUP BY company, bound) AS back
            WHERE bound.company = back.company AND bound.bound = back.bound;
        END IF;
    END LOOP;
END $$;
