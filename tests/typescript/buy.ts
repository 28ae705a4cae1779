// A storefront's own few lines over the generated client: looks, checks, quotes, orders, waits, and meets one problem.
// What it did is one line of JSON on standard output; who started it compares that with the seller's own record.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { client } from './client/client.gen.ts';
import {
  checkBasket, createQuote, listProducts, placeOrder, readOrder,
  type Line, type Order, type PlaceOrderError, type Problem,
} from './client/index.ts';

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

client.setConfig({
  baseUrl: setting('ORDERWAY_URL'),
  auth: setting('ORDERWAY_TOKEN'),
  headers: { 'Orderway-Account': setting('ORDERWAY_ACCOUNT') },
});
const purchaseOrderNumber = setting('ORDERWAY_PURCHASE_ORDER');

/** What is said of a problem that was not expected. */
function told(problem: Problem): string {
  return `${problem.code}: ${problem.detail ?? problem.title} (${problem.correlation_id ?? 'no id'})`;
}

/** The answer's data, or its problem as an error. */
function granted<Data>(answer: { data: Data | undefined; error: Problem | undefined }): Data {
  if (answer.error !== undefined) throw new Error(told(answer.error));
  if (answer.data === undefined) throw new Error('an answer without a body');
  return answer.data;
}

/** Where each fault of a refused order lies: pointer and code. */
function faults(error: PlaceOrderError): { pointer: string; code: string }[] {
  return (error.errors ?? []).map(({ pointer, code }) => ({ pointer, code }));
}

async function accepted(orderId: string): Promise<Order> {
  for (let looked = 0; looked < 300; looked += 1) {
    const order = granted(await readOrder({ path: { order_id: orderId } }));
    // The seller's system has it; its warehouse may be on it already.
    if (order.sales_order_number !== undefined) return order;
    if (order.status !== 'received') throw new Error(`the order is ${order.status}`);
    await sleep(100);
  }
  throw new Error('the order was not accepted within 30 seconds');
}

const page = granted(await listProducts({ query: { search: 'SKU-000', limit: 5 } }));
const product = page.items.find(({ orderable, price }) => orderable && price !== undefined);
if (product === undefined) throw new Error('no product has a price');
const lines: Line[] = [{ item: product.item, quantity: { value: '3', unit: product.sales_unit } }];

const checked = granted(await checkBasket({ body: { lines } }));
const quote = granted(await createQuote({ body: { lines }, headers: { 'Idempotency-Key': randomUUID() } }));

const key = randomUUID();
const body = { purchase_order_number: purchaseOrderNumber, quote_id: quote.quote_id, lines };
const receipt = granted(await placeOrder({ body, headers: { 'Idempotency-Key': key, Prefer: 'wait=1' } }));
const again = granted(await placeOrder({ body, headers: { 'Idempotency-Key': key } }));
const order = await accepted(receipt.order_id);

const refused = await placeOrder({
  body: {
    purchase_order_number: `${purchaseOrderNumber}-REFUSED`,
    lines: [{ item: 'NO-SUCH-ITEM', quantity: { value: '1' } }],
  },
  headers: { 'Idempotency-Key': randomUUID() },
});
if (refused.error === undefined) throw new Error('an unknown item was taken');

console.log(JSON.stringify({
  item: product.item,
  unit: product.sales_unit,
  verdict: checked.verdict,
  checked_total: checked.total,
  quoted_unit_price: quote.lines[0]?.price?.unit_price.amount,
  order_id: receipt.order_id,
  repeated_order_id: again.order_id,
  sales_order_number: order.sales_order_number,
  total: order.total,
  refusal: { status: refused.response?.status, code: refused.error.code, faults: faults(refused.error) },
}));
