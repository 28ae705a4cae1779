// A region, a warehouse, a way to ship, and products with a price and plenty of stock.
const {
  createInventoryLevelsWorkflow, createProductsWorkflow, createRegionsWorkflow, createSalesChannelsWorkflow, createShippingOptionsWorkflow,
  createShippingProfilesWorkflow, createStockLocationsWorkflow, createTaxRegionsWorkflow, linkSalesChannelsToStockLocationWorkflow,
} = require('@medusajs/medusa/core-flows');

const ITEMS = 20;

exports.default = async ({ container }) => {
  const run = async (workflow, input) => (await workflow(container).run({ input })).result;
  const link = container.resolve('link');
  const [channel] = await run(createSalesChannelsWorkflow, { salesChannelsData: [{ name: 'shop' }] });
  const regions = [{ name: 'America', currency_code: 'usd', countries: ['us'], payment_providers: ['pp_system_default'] }];
  const [region] = await run(createRegionsWorkflow, { regions });
  await run(createTaxRegionsWorkflow, [{ country_code: 'us', provider_id: 'tp_system' }]);
  const address = { city: 'Springfield', country_code: 'US', address_1: '1 Plant Road' };
  const [location] = await run(createStockLocationsWorkflow, { locations: [{ name: 'EAST', address }] });
  await link.create({ stock_location: { stock_location_id: location.id }, fulfillment: { fulfillment_provider_id: 'manual_manual' } });
  await run(linkSalesChannelsToStockLocationWorkflow, { id: location.id, add: [channel.id] });
  const [profile] = await run(createShippingProfilesWorkflow, { data: [{ name: 'goods', type: 'default' }] });
  const set = await container.resolve('fulfillment').createFulfillmentSets({
    name: 'EAST', type: 'shipping', service_zones: [{ name: 'US', geo_zones: [{ country_code: 'us', type: 'country' }] }],
  });
  await link.create({ stock_location: { stock_location_id: location.id }, fulfillment: { fulfillment_set_id: set.id } });
  await run(createShippingOptionsWorkflow, [{
    name: 'freight', price_type: 'flat', provider_id: 'manual_manual', service_zone_id: set.service_zones[0].id,
    shipping_profile_id: profile.id, type: { label: 'freight', description: 'by truck', code: 'freight' },
    prices: [{ region_id: region.id, amount: 0 }],
    rules: [{ attribute: 'enabled_in_store', value: 'true', operator: 'eq' }, { attribute: 'is_return', value: 'false', operator: 'eq' }],
  }]);
  const products = Array.from({ length: ITEMS }, (_, place) => {
    const sku = `SKU-${String(place + 1).padStart(4, '0')}`;
    return {
      title: sku, status: 'published', shipping_profile_id: profile.id, options: [{ title: 'pack', values: ['EA'] }],
      variants: [{ title: 'EA', sku, options: { pack: 'EA' }, prices: [{ currency_code: 'usd', amount: (250 + 7 * (place + 1)) / 100 }] }],
      sales_channels: [{ id: channel.id }],
    };
  });
  await run(createProductsWorkflow, { products });
  const { data: items } = await container.resolve('query').graph({ entity: 'inventory_item', fields: ['id'] });
  const levels = items.map(({ id }) => ({ inventory_item_id: id, location_id: location.id, stocked_quantity: 1000000000 }));
  await run(createInventoryLevelsWorkflow, { inventory_levels: levels });
};
