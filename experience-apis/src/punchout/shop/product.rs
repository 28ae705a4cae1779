//! A product: what it is, what it costs me, when it can be had.

use askama::Template;
use axum::{extract::RawQuery, response::Response};
use canonical_model::{ItemNumber, UnitOfMeasure, product::Product};
use http::StatusCode;

use super::{
    answer::{Answer, Page},
    catalogue::notices,
    form::Fields,
    refusal::Refusal,
    visitor::{Frame, Visitor},
    words,
};

#[derive(Template)]
#[template(path = "punchout/product.html")]
struct ProductPage {
    frame: Frame,
    item: String,
    description: String,
    facts: Vec<(&'static str, String)>,
    /// What quantities are priced in.
    sales_unit: String,
    prices: Vec<(String, String)>,
    /// Whether it has a price that is not known.
    lacks_price: bool,
    supply: Option<(&'static str, String)>,
    dates: Vec<(String, String)>,
    units: Vec<UnitChoice>,
    orderable: bool,
    added: bool,
    typed: Typed,
    notices: Vec<String>,
}

/// A unit to choose.
struct UnitChoice {
    code: String,
    text: String,
    selected: bool,
}

/// What was typed, if that could not be taken.
#[derive(Debug, Default)]
pub(super) struct Typed {
    pub(super) quantity: String,
    pub(super) unit: Option<UnitOfMeasure>,
    /// A sentence.
    pub(super) fault: Option<String>,
}

/// Shows a product.
#[utoipa::path(get, path = "/punchout/shop/{partner}/{visit}/product", tag = "punchout-shop", security(()),
    params(("partner" = String, Path, description = "The partner", example = "acme-punchout"),
        ("visit" = String, Path, description = "The visit's ticket", example = "0199e0a46c1f7d3a9a550c6f4f1d2b7e.9m0V"),
        ("item" = String, Query, description = "The seller's number of it", example = "SKU-0001"),
        ("added" = Option<String>, Query, description = "It has just been put into the cart")),
    responses((status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 404, description = "There is no such product, or the link is wrong, another partner's, or over", body = String, content_type = "text/html"),
        (status = 429, description = "Too many requests at once", body = String, content_type = "text/html"),
        (status = 503, description = "The shop is not available at the moment", body = String, content_type = "text/html")))]
pub(super) async fn show_product(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let asked = Fields::read(query.unwrap_or_default().as_bytes());
    let added = asked.get("added").is_some();
    let answer = match find(&visitor, asked.get("item")).await {
        Ok(product) => page(&visitor, product, added, Typed::default()).await,
        Err(refusal) => Err(refusal),
    };
    visitor.respond(answer)
}

/// The product that a page or form names.
pub(super) async fn find(visitor: &Visitor, item: Option<&str>) -> Result<Product, Refusal> {
    let item = item.and_then(|item| ItemNumber::new(item).ok());
    let item = item.ok_or_else(Refusal::no_product)?;
    let found = visitor.product(&item).await?;
    found.ok_or_else(Refusal::no_product)
}

/// Its page.
pub(super) async fn page(
    visitor: &Visitor,
    product: Product,
    added: bool,
    typed: Typed,
) -> Result<Answer, Refusal> {
    let found = visitor.facts(vec![product.item.clone()]).await;
    let notices = notices(&found, true, visitor.state.clock.now());
    let lacks_price = found.lacks_price_of(&product.item);
    let prices = found.prices.unwrap_or_default().remove(&product.item);
    let stock = found.stock.unwrap_or_default().remove(&product.item);
    let status = if typed.fault.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let page = ProductPage {
        frame: visitor.frame(),
        facts: facts(&product),
        sales_unit: product.sales_unit.to_string(),
        prices: prices.map_or_else(Vec::new, |price| {
            let step = |step: &canonical_model::price::PriceBreak| {
                let from = if step.from_quantity.is_zero() {
                    "any".to_owned()
                } else {
                    words::number(step.from_quantity)
                };
                (from, words::unit_price(&step.unit_price))
            };
            price.breaks.iter().map(step).collect()
        }),
        lacks_price,
        supply: stock.as_ref().map(|stock| {
            let (supply, text) = words::supply(stock);
            (supply.class(), text)
        }),
        dates: stock.as_ref().map_or_else(Vec::new, |stock| {
            let in_all = |(day, sum)| {
                (
                    words::date(day),
                    format!("{} {}", words::number(sum), stock.unit),
                )
            };
            words::by_date(stock).into_iter().map(in_all).collect()
        }),
        units: units(&product, typed.unit),
        orderable: product.orderable,
        item: product.item.to_string(),
        description: product.description,
        added,
        typed,
        notices,
    };
    Ok(Page::of(&page)?.with_status(status).into())
}

fn facts(product: &Product) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Part number", product.item.to_string())];
    let further = [
        ("Your part number", &product.buyer_part_number),
        ("GTIN", &product.gtin),
        ("UNSPSC", &product.unspsc),
    ];
    for (name, value) in further {
        if let Some(value) = value {
            facts.push((name, value.clone()));
        }
    }
    facts.push(("Sold in", words::unit(product.sales_unit)));
    facts
}

/// The unit it is sold in first.
fn units(product: &Product, chosen: Option<UnitOfMeasure>) -> Vec<UnitChoice> {
    let chosen = chosen.unwrap_or(product.sales_unit);
    let mut choices = vec![UnitChoice {
        code: product.base_unit.to_string(),
        text: words::unit(product.base_unit),
        selected: product.base_unit == chosen,
    }];
    for conversion in &product.conversions {
        let (unit, base) = (words::unit(conversion.unit), product.base_unit);
        let text = match conversion.denominator {
            1 => format!("{unit} = {} {base}", conversion.numerator),
            many => format!("{unit}: {many} = {} {base}", conversion.numerator),
        };
        choices.push(UnitChoice {
            code: conversion.unit.to_string(),
            text,
            selected: conversion.unit == chosen,
        });
    }
    choices.sort_by_key(|choice| choice.code != product.sales_unit.code());
    choices
}
