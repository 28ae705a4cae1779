//! The prices of a page of products, as a buyer browses them.

use canonical_model::{
    AccountId, ItemNumber, ShipToId,
    account::Account,
    price::{BrowsePrice, BrowsePrices, PriceQuery, PriceSchedules},
    product::Product,
};

use super::breaks::browse;
use crate::{
    baskets::facts::{GatherError, Purpose, Sources, price_queries, prices_told},
    clients::{Call, SystemError},
};

/// Asks for what these items cost the account, delivered to one of its addresses.
pub(crate) fn queries(
    sources: &Sources,
    account: &AccountId,
    ship_to: Option<ShipToId>,
    items: &[ItemNumber],
) -> Vec<PriceQuery> {
    let ages = Purpose::Browse.ages(&sources.policies);
    price_queries((account, ship_to), items, &[], ages.price)
}

/// What each quantity of these products costs the account today, from what was told. What nobody can tell now is on request.
pub(crate) fn of_page(
    sources: &Sources,
    call: &Call,
    buyer: &Account,
    products: &[Product],
    told: Vec<Result<PriceSchedules, SystemError>>,
) -> Result<BrowsePrices, GatherError> {
    let ages = Purpose::Browse.ages(&sources.policies);
    let known = prices_told(sources, call, &buyer.account, told, ages.price)?;
    let on = sources.clock.today(&sources.policies.default_site.zone());
    let schedule_of = |product: &Product| {
        let mut schedules = known.facts.iter();
        schedules.find(|schedule| schedule.item == product.item)
    };
    let promotions = &sources.policies.promotions;
    let priced = products.iter().filter_map(|product| {
        let price = browse(buyer, product, schedule_of(product)?, promotions, on)?;
        Some(BrowsePrice {
            degraded: known.degraded,
            ..price
        })
    });
    let unknown = |product: &&Product| known.degraded && schedule_of(product).is_none();
    let on_request = products.iter().filter(unknown);
    Ok(BrowsePrices {
        prices: priced.collect(),
        on_request: on_request.map(|product| product.item.clone()).collect(),
    })
}
