-- How far each reader has come, and the news that wait because something before them is missing.
CREATE TABLE reader_cursor (
    reader   TEXT PRIMARY KEY,
    position TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE parked_news (
    source    TEXT    NOT NULL,
    key       TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    parked_at INTEGER NOT NULL,
    due_at    INTEGER NOT NULL,
    news      TEXT    NOT NULL,
    PRIMARY KEY (source, key)
) STRICT;
CREATE INDEX parked_news_due ON parked_news (due_at);
