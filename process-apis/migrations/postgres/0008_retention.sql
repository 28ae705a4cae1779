-- What is removed with its order is found by it, ended effects too.
CREATE INDEX effect_of_order ON effect (order_id);
