-- When the store was last set back to an earlier state, if ever: what was done outside for an order older than this may
-- not be written down. A release that does not look here would do it again.
UPDATE schema_needs SET version = 10;

CREATE TABLE set_back (
    id integer PRIMARY KEY CHECK (id = 1),
    at bigint  NOT NULL
);
