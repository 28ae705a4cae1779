// A shop of Vendure: its own services, each order in one transaction, behind one JSON route.
const { writeFileSync } = require('node:fs');
const { join } = require('node:path');
const {
  bootstrap, DefaultLogger, dummyPaymentHandler, isGraphQlErrorResult, CustomerService, LanguageCode, LogLevel,
  OrderService, ProductVariant, RequestContextService, TransactionalConnection,
} = require('@vendure/core');
const { populate } = require('@vendure/core/cli');

const [task, port, url, folder] = process.argv.slice(2);
const ITEMS = 20;
let shop;

const json = (response, status, body) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
};

const config = {
  apiOptions: {
    hostname: '127.0.0.1',
    port: Number(port),
    middleware: [
      { route: 'up', handler: (request, response) => json(response, shop ? 200 : 503, {}) },
      { route: 'orders', handler: (request, response) => orders(request, response).catch((error) => json(response, 500, { why: error.message })) },
    ],
  },
  authOptions: {
    tokenMethod: ['bearer'],
    superadminCredentials: { identifier: 'bench', password: 'of a shop on loopback' },
  },
  dbConnectionOptions: { type: 'postgres', url, synchronize: task === 'seed', logging: false },
  importExportOptions: { importAssetsDir: folder },
  logger: new DefaultLogger({ level: LogLevel.Error }),
  paymentOptions: { paymentMethodHandlers: [dummyPaymentHandler] },
  plugins: [],
};

const good = (answer) => {
  if (isGraphQlErrorResult(answer)) throw new Error(answer.message);
  return answer;
};

async function orders(request, response) {
  const order = await shop.connection.withTransaction(shop.context, (context) => place(context, request.body));
  json(response, 202, { order_id: order.code, status: order.state, total: order.totalWithTax });
}

async function place(context, asked) {
  const { service } = shop;
  const { id } = await service.create(context);
  await service.addCustomerToOrder(context, id, shop.buyer);
  const lines = asked.lines.map(({ item, quantity }) => ({ productVariantId: shop.variants.get(item), quantity: Number(quantity.value) }));
  const added = await service.addItemsToOrder(context, id, lines);
  if (added.errorResults.length) throw new Error(added.errorResults[0].message);
  const address = { fullName: 'ACME', streetLine1: '1 Plant Road', city: 'Springfield', postalCode: '12345', countryCode: 'US' };
  await service.setShippingAddress(context, id, address);
  const [method] = await service.getEligibleShippingMethods(context, id);
  good(await service.setShippingMethod(context, id, [method.id]));
  good(await service.transitionToState(context, id, 'ArrangingPayment'));
  const metadata = { purchase_order_number: asked.purchase_order_number };
  return good(await service.addPaymentToOrder(context, id, { method: 'invoice', metadata }));
}

async function seed() {
  const heads = 'name,slug,description,assets,facets,optionGroups,optionValues,sku,price,taxCategory,stockOnHand,trackInventory,variantAssets,variantFacets';
  const rows = Array.from({ length: ITEMS }, (_, place) => {
    const number = place + 1;
    const item = `SKU-${String(number).padStart(4, '0')}`;
    return `${item},${item.toLowerCase()},,,,,,${item},${((250 + 7 * number) / 100).toFixed(2)},standard,1000000000,true,,`;
  });
  const file = join(folder, 'products.csv');
  writeFileSync(file, [heads, ...rows].join('\n'));
  const settled = [{ name: 'automaticSettle', value: 'true' }];
  const initial = {
    defaultLanguage: LanguageCode.en,
    defaultZone: 'Americas',
    countries: [{ code: 'US', name: 'United States', zone: 'Americas' }],
    taxRates: [{ name: 'standard', percentage: 0 }],
    shippingMethods: [{ name: 'freight', price: 0 }],
    paymentMethods: [{ name: 'Invoice', handler: { code: dummyPaymentHandler.code, arguments: settled } }],
    collections: [],
  };
  const app = await populate(() => bootstrap(config), initial, file);
  await app.close();
  process.exit(0);
}

async function serve() {
  const app = await bootstrap(config);
  const connection = app.get(TransactionalConnection);
  const context = await app.get(RequestContextService).create({ apiType: 'shop' });
  const buyer = await app.get(CustomerService).createOrUpdate(context, { firstName: 'A', lastName: 'CME', emailAddress: 'acme@example.com' });
  const found = await connection.getRepository(context, ProductVariant).find();
  const variants = new Map(found.map(({ sku, id }) => [sku, id]));
  shop = { connection, context, buyer, variants, service: app.get(OrderService) };
}

(task === 'seed' ? seed() : serve()).catch((error) => {
  console.error(error);
  process.exit(1);
});
