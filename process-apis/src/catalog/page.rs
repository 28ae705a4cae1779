//! Products together with what an account sees of them.

use std::collections::{HashMap, HashSet};

use canonical_model::{
    AccountId, ItemNumber,
    account::{Account, AccountQuery},
    catalog::CatalogItem,
    price::{BrowsePrice, BrowsePrices},
    product::Product,
    promise::Availability,
};
use service_runtime::problem::Problem;

use crate::{
    baskets::facts::{Purpose, Sources, account_query},
    clients::{Call, Questions},
    pricing, promise,
};

/// Asks who buys, as browsing needs it.
pub(super) fn buyer_query(sources: &Sources, number: &AccountId) -> AccountQuery {
    let ages = Purpose::Browse.ages(&sources.policies);
    account_query(number, ages.account)
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
    let questions = Questions {
        capabilities: true,
        prices: pricing::queries(sources, buyer, ship_to, &products),
        stock: promise::queries(sources, &products),
        ..Questions::default()
    };
    let told = sources.system.ask(call, questions).await;
    let capabilities = told.capabilities.answer()?;
    let BrowsePrices { prices, on_request } =
        pricing::of_page(sources, call, buyer, &products, told.prices)?;
    let stock = promise::of_page(sources, call, &products, &capabilities, told.stock).await?;
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
    Ok(products.into_iter().zip(stock).map(item).collect())
}
