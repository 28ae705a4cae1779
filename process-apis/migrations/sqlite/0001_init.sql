-- The coordination state. Identifiers are 16-byte UUIDs, instants are nanoseconds since 1970 (UTC), days and decimals
-- are text, documents of ours are JSON text.

-- The log: also the outbox. AUTOINCREMENT: a position is never given twice, whatever is deleted.
CREATE TABLE event (
    position       INTEGER PRIMARY KEY AUTOINCREMENT,
    id             BLOB    NOT NULL UNIQUE,
    stream_kind    TEXT    NOT NULL,
    stream_id      BLOB    NOT NULL,
    version        INTEGER NOT NULL CHECK (version > 0),
    type           TEXT    NOT NULL,
    type_version   INTEGER NOT NULL,
    company        TEXT    NOT NULL,
    account        TEXT    NOT NULL,
    time           INTEGER NOT NULL,
    principal      TEXT    NOT NULL,
    channel        TEXT    NOT NULL,
    correlation_id TEXT    NOT NULL,
    traceparent    TEXT    NOT NULL,
    data           TEXT    NOT NULL,
    UNIQUE (stream_id, stream_kind, version)
) STRICT;
CREATE INDEX event_of_account ON event (company, account, position);

-- Current states, with the columns they are found by.
CREATE TABLE sales_order (
    id                    BLOB    PRIMARY KEY,
    version               INTEGER NOT NULL,
    company               TEXT    NOT NULL,
    account               TEXT    NOT NULL,
    purchase_order_number TEXT    NOT NULL,
    release_number        TEXT    NOT NULL DEFAULT '',
    holds_purchase_order  INTEGER NOT NULL,
    status                TEXT    NOT NULL,
    holds                 TEXT    NOT NULL,
    state                 TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX sales_order_of_purchase_order
    ON sales_order (company, account, purchase_order_number, release_number) WHERE holds_purchase_order = 1;
CREATE INDEX sales_order_of_account ON sales_order (company, account, id);
CREATE INDEX sales_order_by_number ON sales_order (company, purchase_order_number, id);
CREATE INDEX sales_order_by_status ON sales_order (company, status, id);
CREATE INDEX sales_order_held ON sales_order (company, id) WHERE holds <> '';

CREATE TABLE quote (
    id         BLOB    PRIMARY KEY,
    version    INTEGER NOT NULL,
    company    TEXT    NOT NULL,
    account    TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    state      TEXT    NOT NULL
) STRICT;

CREATE TABLE reservation (
    id         BLOB    PRIMARY KEY,
    version    INTEGER NOT NULL,
    company    TEXT    NOT NULL,
    account    TEXT    NOT NULL,
    expires_at INTEGER,
    state      TEXT    NOT NULL
) STRICT;
CREATE INDEX reservation_expiring ON reservation (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX reservation_held ON reservation (company, account) WHERE expires_at IS NOT NULL;

-- Ledgers: the newest fact and what our claims take of it; a movement lives until it is released or a fact covers it.
CREATE TABLE stock (
    company   TEXT    NOT NULL,
    item      TEXT    NOT NULL,
    site      TEXT    NOT NULL,
    as_of     INTEGER NOT NULL,
    lag       INTEGER NOT NULL,
    first_day TEXT    NOT NULL,
    available TEXT    NOT NULL,
    claimed   TEXT    NOT NULL,
    PRIMARY KEY (company, item, site)
) STRICT, WITHOUT ROWID;

CREATE TABLE stock_movement (
    id           INTEGER PRIMARY KEY,
    company      TEXT    NOT NULL,
    item         TEXT    NOT NULL,
    site         TEXT    NOT NULL,
    owner_kind   TEXT    NOT NULL,
    owner_id     BLOB    NOT NULL,
    line         INTEGER NOT NULL,
    day          TEXT    NOT NULL,
    quantity     TEXT    NOT NULL,
    confirmed_at INTEGER
) STRICT;
CREATE INDEX stock_movement_of_key ON stock_movement (company, item, site);
CREATE INDEX stock_movement_of_owner ON stock_movement (owner_id, owner_kind);

CREATE TABLE credit (
    company      TEXT    NOT NULL,
    account      TEXT    NOT NULL,
    as_of        INTEGER NOT NULL,
    lag          INTEGER NOT NULL,
    currency     TEXT    NOT NULL,
    credit_limit TEXT,
    exposure     TEXT    NOT NULL,
    claimed      TEXT    NOT NULL,
    blocked      INTEGER NOT NULL,
    PRIMARY KEY (company, account)
) STRICT, WITHOUT ROWID;

CREATE TABLE credit_movement (
    id           INTEGER PRIMARY KEY,
    company      TEXT    NOT NULL,
    account      TEXT    NOT NULL,
    owner_kind   TEXT    NOT NULL,
    owner_id     BLOB    NOT NULL,
    amount       TEXT    NOT NULL,
    confirmed_at INTEGER
) STRICT;
CREATE INDEX credit_movement_of_key ON credit_movement (company, account);
CREATE INDEX credit_movement_of_owner ON credit_movement (owner_id, owner_kind);

-- What is to be done outside. Done ones stay as evidence; the indexes leave them out.
CREATE TABLE effect (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    id             BLOB    NOT NULL UNIQUE,
    kind           TEXT    NOT NULL,
    order_id       BLOB    NOT NULL,
    state          TEXT    NOT NULL CHECK (state IN ('pending', 'leased', 'stopped', 'done', 'dropped')),
    due_at         INTEGER NOT NULL,
    serial_key     TEXT,
    attempt        INTEGER NOT NULL DEFAULT 0,
    lease          BLOB,
    lease_until    INTEGER,
    created_at     INTEGER NOT NULL,
    traceparent    TEXT    NOT NULL,
    correlation_id TEXT    NOT NULL,
    payload        TEXT    NOT NULL,
    progress       TEXT    NOT NULL,
    CHECK ((state = 'leased') = (lease IS NOT NULL)),
    CHECK ((lease IS NULL) = (lease_until IS NULL))
) STRICT;
CREATE INDEX effect_pending ON effect (due_at, seq) WHERE state = 'pending';
CREATE INDEX effect_leased ON effect (lease_until) WHERE state = 'leased';
CREATE INDEX effect_open_of_order ON effect (order_id) WHERE state IN ('pending', 'stopped');
-- Effects with one serial key are done one at a time.
CREATE UNIQUE INDEX effect_serial ON effect (serial_key) WHERE state = 'leased' AND serial_key IS NOT NULL;

CREATE TABLE idempotency (
    scope       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    status      INTEGER NOT NULL,
    subject     BLOB,
    expires_at  INTEGER NOT NULL,
    body        TEXT    NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT;
CREATE INDEX idempotency_expiring ON idempotency (expires_at);

-- Channel documents. The content is the last column: a list does not read it.
CREATE TABLE document (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    id             BLOB    NOT NULL UNIQUE,
    company        TEXT    NOT NULL,
    channel        TEXT    NOT NULL,
    partner        TEXT    NOT NULL,
    account        TEXT    NOT NULL,
    direction      TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    state          TEXT    NOT NULL,
    control_number INTEGER,
    answers        BLOB,
    order_id       BLOB,
    created_at     INTEGER NOT NULL,
    lease          BLOB,
    lease_until    INTEGER,
    media_type     TEXT,
    context        TEXT,
    content        BLOB
) STRICT;
CREATE UNIQUE INDEX document_control_number ON document (company, channel, partner, control_number)
    WHERE control_number IS NOT NULL;
CREATE INDEX document_of_partner ON document (company, channel, partner, direction, seq);
CREATE INDEX document_answering ON document (answers) WHERE answers IS NOT NULL;
CREATE INDEX document_workable ON document (company, channel, direction, seq) WHERE state IN ('received', 'due');

CREATE TABLE document_key (
    company     TEXT    NOT NULL,
    channel     TEXT    NOT NULL,
    partner     TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    document_id BLOB    NOT NULL REFERENCES document (id),
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (company, channel, partner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_key_expiring ON document_key (expires_at);

CREATE TABLE control_number (
    company TEXT    NOT NULL,
    channel TEXT    NOT NULL,
    partner TEXT    NOT NULL,
    last    INTEGER NOT NULL,
    PRIMARY KEY (company, channel, partner)
) STRICT, WITHOUT ROWID;

-- Why something was decided. A fact is stored once, by its content, and referred to by its SHA-256.
CREATE TABLE fact_blob (
    hash    BLOB PRIMARY KEY,
    content TEXT NOT NULL
) STRICT;

CREATE TABLE decision (
    id      BLOB PRIMARY KEY,
    company TEXT NOT NULL,
    record  TEXT NOT NULL,
    facts   TEXT NOT NULL
) STRICT;

-- Who did what: each line carries the hash of the one before, and none is changed or removed.
CREATE TABLE audit (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    line           TEXT    NOT NULL,
    hash           BLOB    NOT NULL
) STRICT;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is not changed'); END;
CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is not removed'); END;

-- Written to when asked whether the store can be written to.
CREATE TABLE store_check (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    times INTEGER NOT NULL
) STRICT;
INSERT INTO store_check (id, times) VALUES (1, 0);
