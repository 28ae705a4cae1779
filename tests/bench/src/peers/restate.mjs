// An order as five durable steps, each trivial: what is measured is what Restate does to keep them.
import { createServer } from 'node:http2';

// The SDK wants it; Node has it from 22 on.
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};
const { createEndpointHandler, service, TerminalError } = await import('@restatedev/restate-sdk');

const [port, admin] = process.argv.slice(2);
const price = (item) => 250 + Number(item.slice(-4)) * 7;

const orders = service({
  name: 'orders',
  handlers: {
    up: async () => 'up',
    place: async (context, order) => {
      const lines = await context.run('validate', () => {
        if (!order.purchase_order_number || !order.lines.length) throw new TerminalError('an order has a number and lines');
        return order.lines.map(({ item, quantity }) => ({ item, quantity: Number(quantity.value) }));
      });
      const priced = await context.run('price', () => lines.map((line) => ({ ...line, cents: line.quantity * price(line.item) })));
      const promised = await context.run('promise', () => priced.map(({ item, quantity }) => ({ item, quantity, site: 'EAST' })));
      const total = await context.run('credit', () => priced.reduce((sum, line) => sum + line.cents, 0));
      return context.run('accept', () => ({ number: order.purchase_order_number, status: 'received', total, promised }));
    },
  },
});

const uri = `http://127.0.0.1:${port}`;
createServer(createEndpointHandler({ services: [orders] })).listen(Number(port), '127.0.0.1', async () => {
  const body = JSON.stringify({ uri });
  const told = await fetch(`${admin}/deployments`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  if (!told.ok) throw new Error(await told.text());
});
