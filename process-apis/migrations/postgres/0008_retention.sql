-- no-transaction
-- What is removed with its order is found by it, ended effects too.
CREATE INDEX CONCURRENTLY IF NOT EXISTS effect_of_order ON effect (order_id);
