-- An order takes over what was reserved for it also where the row is short, as while the source counts an order that still
-- is a claim of ours: a claim may take what the commit itself has given back.

-- Whether every bucket from the given one on still has the quantity, or was claimed as far before the commit.
CREATE FUNCTION stock_fits(available numeric[], claimed numeric[], before numeric[], bucket integer, quantity numeric)
RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF quantity <= 0 OR cardinality(available) = 0 THEN
        RETURN false;
    END IF;
    FOR n IN bucket .. cardinality(available) LOOP
        IF claimed[n] + quantity > greatest(available[n], before[n]) THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN true;
END $$;

-- Applies the movements in the order given.
CREATE OR REPLACE FUNCTION commit_stock(cause jsonb, given jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    m record;
BEGIN
    PERFORM lock_stock(given);
    -- Read at once, and so with the rows as this commit finds them. No commit both claims and confirms: what a
    -- confirmation ends is not given back.
    FOR m IN
        SELECT n.*, s.claimed AS before
        FROM ROWS FROM (jsonb_to_recordset(given) AS (
            movement text, company text, item text, site text, owner_kind text, owner_id uuid, line integer, day date,
            quantity numeric, at bigint)) WITH ORDINALITY AS n
        LEFT JOIN stock AS s USING (company, item, site)
        ORDER BY n.ordinality
    LOOP
        CASE m.movement
        WHEN 'claim' THEN
            UPDATE stock AS s SET claimed = stock_taken(
                s.claimed, stock_bucket(s.first_day, cardinality(s.claimed), m.day), m.quantity)
            WHERE (s.company, s.item, s.site) = (m.company, m.item, m.site)
                AND stock_fits(s.available, s.claimed, m.before,
                    stock_bucket(s.first_day, cardinality(s.available), m.day), m.quantity);
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
