-- How far each reader has come, and the news that wait: because something before them is missing, or for a person.
CREATE TABLE reader_cursor (
    reader   TEXT PRIMARY KEY,
    position TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE parked_news (
    id        BLOB    NOT NULL UNIQUE,
    company   TEXT    NOT NULL,
    source    TEXT    NOT NULL,
    key       TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    stage     TEXT    NOT NULL,
    reason    TEXT    NOT NULL,
    detail    TEXT    NOT NULL,
    parked_at INTEGER NOT NULL,
    due_at    INTEGER,
    closed_at INTEGER,
    closed_by TEXT,
    note      TEXT,
    news      TEXT    NOT NULL,
    PRIMARY KEY (source, key)
) STRICT;
CREATE INDEX parked_news_due ON parked_news (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX parked_news_quarantined ON parked_news (company, id) WHERE stage = 'quarantined';
CREATE INDEX parked_news_closed ON parked_news (closed_at) WHERE closed_at IS NOT NULL;

-- A warehouse names an order by our reference. In the state already, so orders taken before are found as well.
CREATE INDEX sales_order_by_reference ON sales_order (company, json_extract(state, '$.order.reference'));
