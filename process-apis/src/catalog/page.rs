//! Products together with what an account sees of them.

use std::collections::{HashMap, HashSet};

use canonical_model::{
    AccountId, ItemNumber,
    account::Account,
    catalog::CatalogItem,
    price::{BrowsePrice, BrowsePrices},
    product::Product,
    promise::Availability,
};
use service_runtime::problem::Problem;

use crate::{
    baskets::facts::{Purpose, Sources, account},
    clients::Call,
    pricing, promise,
};

/// Who buys, as browsing needs it.
pub(super) async fn buyer(
    sources: &Sources,
    call: &Call,
    number: &AccountId,
) -> Result<Account, Problem> {
    let ages = Purpose::Browse.ages(&sources.policies);
    Ok(account(sources, call, number, ages.account).await?)
}

/// The products with the account's prices and what is available, asked for at the same time.
pub(super) async fn of_products(
    sources: &Sources,
    call: &Call,
    buyer: &Account,
    products: Vec<Product>,
) -> Result<Vec<CatalogItem>, Problem> {
    if products.is_empty() {
        return Ok(Vec::new());
    }
    let ship_to = buyer.ship_tos.first().map(|to| to.ship_to.clone());
    let (prices, stock) = tokio::join!(
        pricing::of_page(sources, call, buyer, ship_to, &products),
        promise::of_page(sources, call, &products),
    );
    let BrowsePrices { prices, on_request } = prices?;
    let by_item = |price: BrowsePrice| (price.item.clone(), price);
    let mut prices: HashMap<ItemNumber, BrowsePrice> = prices.into_iter().map(by_item).collect();
    let on_request: HashSet<ItemNumber> = on_request.into_iter().collect();
    let item = |(product, stock): (Product, Availability)| CatalogItem {
        price: prices.remove(&product.item),
        price_on_request: on_request.contains(&product.item),
        // Of what no site knows the days are told in which it can be had; while nobody answers, nothing is.
        availability: (stock.as_of.is_some() || !stock.degraded).then_some(stock),
        product,
    };
    Ok(products.into_iter().zip(stock?).map(item).collect())
}
