// An order through Medusa's own workflows, from the cart to its completion, behind one JSON route.
const {
  addShippingMethodToCartWorkflow, completeCartWorkflow, createCartWorkflow, createPaymentCollectionForCartWorkflow,
  createPaymentSessionsWorkflow,
} = require('@medusajs/medusa/core-flows');

let known;

async function look(query) {
  const all = async (entity, fields, filters) => (await query.graph({ entity, fields, filters })).data;
  const [region] = await all('region', ['id']);
  const [channel] = await all('sales_channel', ['id'], { name: 'shop' });
  const [option] = await all('shipping_option', ['id']);
  const variants = new Map((await all('variant', ['id', 'sku'])).map(({ id, sku }) => [sku, id]));
  return { region: region.id, channel: channel.id, option: option.id, variants };
}

exports.POST = async (request, response) => {
  const { body, scope } = request;
  const query = scope.resolve('query');
  known ??= await look(query);
  const run = async (workflow, input) => (await workflow(scope).run({ input })).result;
  const cart = await run(createCartWorkflow, {
    region_id: known.region,
    sales_channel_id: known.channel,
    currency_code: 'usd',
    email: 'acme@example.com',
    items: body.lines.map(({ item, quantity }) => ({ variant_id: known.variants.get(item), quantity: Number(quantity.value) })),
    shipping_address: { first_name: 'A', last_name: 'CME', address_1: '1 Plant Road', city: 'Springfield', postal_code: '12345', country_code: 'us' },
    metadata: { purchase_order_number: body.purchase_order_number },
  });
  await run(addShippingMethodToCartWorkflow, { cart_id: cart.id, options: [{ id: known.option }] });
  await run(createPaymentCollectionForCartWorkflow, { cart_id: cart.id });
  const { data: [{ payment_collection: payment }] } = await query.graph({
    entity: 'cart', fields: ['payment_collection.id'], filters: { id: cart.id },
  });
  await run(createPaymentSessionsWorkflow, { payment_collection_id: payment.id, provider_id: 'pp_system_default' });
  const { id } = await run(completeCartWorkflow, { id: cart.id });
  response.status(202).json({ order_id: id, status: 'received' });
};
