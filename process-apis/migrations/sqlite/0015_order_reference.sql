-- The reference that a warehouse names an order by is a column of its own: found in the state, it had the whole state read by SQLite
-- each time an order was written.
DROP INDEX sales_order_by_reference;
ALTER TABLE sales_order ADD COLUMN reference TEXT;
UPDATE sales_order SET reference = json_extract(state, '$.order.reference');
CREATE INDEX sales_order_by_reference ON sales_order (company, reference);
