-- For channels that send what they rendered, and answer what comes twice as they did before.

-- What became of a document, in its channel's terms. A table of its own: a column behind the content would have every
-- list read through the bytes.
CREATE TABLE document_outcome (
    document_id BLOB PRIMARY KEY REFERENCES document (id),
    outcome     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX document_sendable ON document (company, channel, seq) WHERE state = 'ready';
-- Documents of one order are sent one after the other.
CREATE INDEX document_unsent_of_order ON document (order_id, seq)
    WHERE order_id IS NOT NULL AND state IN ('due', 'ready');
