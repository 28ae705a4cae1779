-- Channel sessions: what a channel keeps of a partner's buyer between two requests. The content is the last column.
CREATE TABLE session (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          BLOB    NOT NULL,
    company     TEXT    NOT NULL,
    channel     TEXT    NOT NULL,
    partner     TEXT    NOT NULL,
    account     TEXT    NOT NULL,
    version     INTEGER NOT NULL CHECK (version > 0),
    fingerprint TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    content     TEXT    NOT NULL,
    UNIQUE (company, channel, id)
) STRICT;
CREATE INDEX session_living ON session (company, channel, partner, expires_at);
CREATE INDEX session_ended ON session (expires_at);

CREATE TABLE session_key (
    company TEXT    NOT NULL,
    channel TEXT    NOT NULL,
    partner TEXT    NOT NULL,
    key     TEXT    NOT NULL,
    session INTEGER NOT NULL REFERENCES session (seq) ON DELETE CASCADE,
    PRIMARY KEY (company, channel, partner, key, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_key_of_session ON session_key (session);
