-- Bounds on what is taken while a backend cannot be asked: a sum, and who took what of it.
CREATE TABLE bound (
    company TEXT NOT NULL,
    bound   TEXT NOT NULL,
    claimed TEXT NOT NULL,
    PRIMARY KEY (company, bound)
) STRICT, WITHOUT ROWID;

CREATE TABLE bound_movement (
    id         INTEGER PRIMARY KEY,
    company    TEXT NOT NULL,
    bound      TEXT NOT NULL,
    owner_kind TEXT NOT NULL,
    owner_id   BLOB NOT NULL,
    amount     TEXT NOT NULL
) STRICT;
CREATE INDEX bound_movement_of_owner ON bound_movement (owner_id, owner_kind);
