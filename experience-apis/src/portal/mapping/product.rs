//! Products, put together with the account's price and the stock.

use std::collections::{HashMap, HashSet};

use canonical_model::{ItemNumber, price as prices, product as canonical, promise};

use super::price::{promotion, source_of};
use crate::portal::shape::{
    price::{Break, MyPrice},
    product::{Availability, Product, ProductPage},
};

/// A page, each product with what was found about it.
pub fn product_page(
    page: canonical::ProductPage,
    prices: prices::BrowsePrices,
    stock: promise::Availabilities,
) -> ProductPage {
    let prices::BrowsePrices { prices, on_request } = prices;
    let mut prices: HashMap<ItemNumber, _> = prices
        .into_iter()
        .map(|price| (price.item.clone(), price))
        .collect();
    let on_request: HashSet<ItemNumber> = on_request.into_iter().collect();
    let mut stock: HashMap<ItemNumber, _> = stock
        .items
        .into_iter()
        .map(|stock| (stock.item.clone(), stock))
        .collect();
    let item = |found: canonical::Product| {
        let (price, stock) = (prices.remove(&found.item), stock.remove(&found.item));
        let price_on_request = on_request.contains(&found.item);
        Product {
            price_on_request,
            ..product(found, price, stock)
        }
    };
    ProductPage {
        items: page.items.into_iter().map(item).collect(),
        next: page.next,
    }
}

/// One product with what was found about it.
pub fn product(
    product: canonical::Product,
    price: Option<prices::BrowsePrice>,
    stock: Option<promise::Availability>,
) -> Product {
    Product {
        item: product.item,
        buyer_part_number: product.buyer_part_number,
        gtin: product.gtin,
        description: product.description,
        base_unit: product.base_unit,
        sales_unit: product.sales_unit,
        conversions: product.conversions,
        orderable: product.orderable,
        price: price.map(my_price),
        price_on_request: false,
        availability: stock.map(availability),
    }
}

fn my_price(price: prices::BrowsePrice) -> MyPrice {
    let price_break = |price: prices::PriceBreak| Break {
        from_quantity: price.from_quantity,
        unit_price: price.unit_price,
        source: source_of(price.level),
        promotion: price.promotion.map(promotion),
    };
    MyPrice {
        breaks: price.breaks.into_iter().map(price_break).collect(),
        as_of: price.as_of,
        degraded: price.degraded,
    }
}

fn availability(stock: promise::Availability) -> Availability {
    Availability {
        unit: stock.unit,
        available_now: stock.available_now,
        sites: stock.sites,
        replenishment_days: stock.replenishment_days,
        as_of: stock.as_of,
        degraded: stock.degraded,
    }
}
