-- Webhooks: who is told of what, and how far each has been told.
CREATE TABLE subscription (
    id           BLOB    PRIMARY KEY,
    company      TEXT    NOT NULL,
    account      TEXT    NOT NULL,
    version      INTEGER NOT NULL CHECK (version > 0),
    state        TEXT    NOT NULL CHECK (state IN ('active', 'paused', 'disabled')),
    position     INTEGER NOT NULL,
    failing      INTEGER NOT NULL DEFAULT 0,
    paused_until INTEGER,
    served_at    INTEGER NOT NULL DEFAULT 0,
    lease        BLOB,
    lease_until  INTEGER,
    created_at   INTEGER NOT NULL,
    changed_at   INTEGER NOT NULL,
    settings     TEXT    NOT NULL,
    health       TEXT    NOT NULL,
    CHECK ((lease IS NULL) = (lease_until IS NULL))
) STRICT;
CREATE INDEX subscription_of_account ON subscription (company, account, id);
CREATE INDEX subscription_active ON subscription (failing, served_at) WHERE state = 'active';

-- What is not simply delivered: events that wait (one an order; nothing later of the order is sent before it), and
-- those that were given up.
CREATE TABLE subscription_delivery (
    subscription BLOB    NOT NULL REFERENCES subscription (id) ON DELETE CASCADE,
    position     INTEGER NOT NULL,
    event_id     BLOB    NOT NULL,
    subject      BLOB    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('waiting', 'dead')),
    due_at       INTEGER,
    dead_since   INTEGER,
    detail       TEXT    NOT NULL,
    PRIMARY KEY (subscription, position),
    CHECK ((state = 'dead') = (dead_since IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX subscription_delivery_waiting ON subscription_delivery (subscription, subject)
    WHERE state = 'waiting';
CREATE INDEX subscription_delivery_due ON subscription_delivery (subscription, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX subscription_delivery_dead ON subscription_delivery (dead_since) WHERE state = 'dead';
