//! The prices of a page of products, as a buyer browses them.

use canonical_model::{
    ItemNumber, ShipToId,
    account::Account,
    price::{BrowsePrice, BrowsePrices},
    product::Product,
};

use super::breaks::browse;
use crate::{
    baskets::facts::{GatherError, Purpose, Sources, prices},
    clients::Call,
};

/// What each quantity of these products costs the account today, delivered to one of its addresses. What nobody can tell now is
/// on request.
pub(crate) async fn of_page(
    sources: &Sources,
    call: &Call,
    buyer: &Account,
    ship_to: Option<ShipToId>,
    products: &[Product],
) -> Result<BrowsePrices, GatherError> {
    let ages = Purpose::Browse.ages(&sources.policies);
    let items: Vec<ItemNumber> = products
        .iter()
        .map(|product| product.item.clone())
        .collect();
    let of = (&buyer.account, ship_to);
    let known = prices(sources, call, of, &items, &[], ages.price).await?;
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
