-- Which effect comes next: the oldest of those that are due, one for each serial key, and what can wait last. An effect
-- sleeps until it is due and is awake from then on, so that neither what sleeps nor a long queue under one key is walked.
ALTER TABLE effect ADD COLUMN awake INTEGER NOT NULL DEFAULT 0;
-- 1 = in the background: only what nothing else waits for.
ALTER TABLE effect ADD COLUMN background INTEGER NOT NULL DEFAULT 0;
DROP INDEX effect_pending;
CREATE INDEX effect_asleep ON effect (due_at, seq) WHERE state = 'pending' AND awake = 0;
CREATE INDEX effect_awake ON effect (background, seq) WHERE state = 'pending' AND awake = 1 AND serial_key IS NULL;
CREATE INDEX effect_queue ON effect (serial_key, seq)
    WHERE state = 'pending' AND awake = 1 AND serial_key IS NOT NULL;
CREATE INDEX effect_background ON effect (lease_until) WHERE state = 'leased' AND background = 1;
