-- A decision record goes with the order, quote or reservation that it is about, and a fact with the last decision that was
-- made from it.
ALTER TABLE decision ADD COLUMN subject BLOB;
UPDATE decision SET subject = unhex(replace(json_extract(record, '$.subject'), '-', ''));
CREATE INDEX decision_of_subject ON decision (subject);

CREATE TABLE decision_fact (
    decision BLOB NOT NULL,
    hash     BLOB NOT NULL,
    PRIMARY KEY (decision, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX decision_fact_by_hash ON decision_fact (hash);
INSERT OR IGNORE INTO decision_fact (decision, hash)
SELECT decision.id, unhex(part.value) FROM decision, json_tree(decision.facts) AS part WHERE part.type = 'text';
