//! Products, put together with the account's price and the stock.

use canonical_model::{
    catalog::{CatalogItem, CatalogPage},
    price as prices, promise,
};

use super::price::{promotion, source_of};
use crate::portal::shape::{
    price::{Break, MyPrice},
    product::{Availability, Product, ProductPage},
};

/// A page of the catalogue.
pub fn product_page(page: CatalogPage) -> ProductPage {
    ProductPage {
        items: page.items.into_iter().map(product).collect(),
        next: page.next,
    }
}

/// One product with what was found about it.
pub fn product(found: CatalogItem) -> Product {
    let product = found.product;
    Product {
        item: product.item,
        buyer_part_number: product.buyer_part_number,
        gtin: product.gtin,
        description: product.description,
        base_unit: product.base_unit,
        sales_unit: product.sales_unit,
        conversions: product.conversions,
        orderable: product.orderable,
        price: found.price.map(my_price),
        price_on_request: found.price_on_request,
        availability: found.availability.map(availability),
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
