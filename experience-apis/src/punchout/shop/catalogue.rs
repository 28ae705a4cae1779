//! The catalogue: search, my price, what is there now, and straight into the cart.

use askama::Template;
use axum::{extract::RawQuery, response::Response};
use canonical_model::{
    price::PriceBreak,
    product::{Product, ProductPage},
};
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{
    answer::{Answer, Page},
    basket::Facts,
    form::Fields,
    refusal::Refusal,
    visitor::{Frame, Visitor},
    words,
};

/// Products on a page.
const PER_PAGE: u16 = 25;
/// Of what is searched for, so much is looked at.
const MOST_WORDS: usize = 100;
/// Further price breaks shown in the list; the product's page has all.
const STEPS: usize = 2;

#[derive(Template)]
#[template(path = "punchout/catalogue.html")]
struct CataloguePage {
    frame: Frame,
    rows: Vec<Row>,
    next: Option<String>,
    first: Option<String>,
    /// The product that has just been put into the cart.
    added: Option<String>,
    cursor: String,
    /// What is missing on the page, or old.
    notices: Vec<String>,
}

/// A product in the list.
struct Row {
    item: String,
    href: String,
    description: String,
    buyer_part_number: Option<String>,
    unit: String,
    price: Option<String>,
    /// What stands there without one.
    no_price: &'static str,
    steps: Vec<String>,
    supply: Option<(&'static str, String)>,
    orderable: bool,
}

/// Shows the catalogue, or what of it is searched for.
#[utoipa::path(get, path = "/punchout/shop/{partner}/{visit}/", tag = "punchout-shop", security(()),
    params(("partner" = String, Path, description = "The partner", example = "acme-punchout"),
        ("visit" = String, Path, description = "The visit's ticket", example = "0199e0a46c1f7d3a9a550c6f4f1d2b7e.9m0V"),
        ("q" = Option<String>, Query, description = "Words to be found in number or description", example = "bolt"),
        ("cursor" = Option<String>, Query, description = "Where to go on"),
        ("added" = Option<String>, Query, description = "The product that has just been put into the cart")),
    responses((status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 404, description = "The link is wrong, another partner's, or over", body = String, content_type = "text/html"),
        (status = 429, description = "Too many requests at once", body = String, content_type = "text/html"),
        (status = 503, description = "The shop is not available at the moment", body = String, content_type = "text/html")))]
pub(super) async fn show_catalogue(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let asked = Fields::read(query.unwrap_or_default().as_bytes());
    visitor.respond(catalogue(&visitor, &asked).await)
}

async fn catalogue(visitor: &Visitor, asked: &Fields) -> Result<Answer, Refusal> {
    let words = asked.get("q").unwrap_or_default().trim().chars();
    let words: String = words.filter(|c| !c.is_control()).take(MOST_WORDS).collect();
    let cursor = asked.get("cursor").filter(|cursor| !cursor.is_empty());
    let search = Some(words.as_str()).filter(|words| !words.is_empty());
    let context = visitor.context();
    let found = visitor
        .state
        .process
        .products(&context, visitor.account(), search, cursor, Some(PER_PAGE))
        .await?;
    let ProductPage { items, next } = found;
    let numbers = items.iter().map(|product| product.item.clone()).collect();
    let facts = visitor.facts(numbers).await;
    let by_words = |cursor: Option<&str>| {
        let mut query = format!("{}?q={}", visitor.base, words::encode(&words));
        if let Some(cursor) = cursor {
            query.push_str(&format!("&cursor={}", words::encode(cursor)));
        }
        query
    };
    let page = CataloguePage {
        next: next.as_deref().map(|next| by_words(Some(next))),
        first: cursor.map(|_| by_words(None)),
        added: asked
            .get("added")
            .map(|item| item.chars().take(40).collect()),
        cursor: cursor.unwrap_or_default().to_owned(),
        notices: notices(&facts, !items.is_empty(), visitor.state.clock.now()),
        rows: items
            .into_iter()
            .map(|product| row(visitor, product, &facts))
            .collect(),
        frame: Frame {
            query: words.clone(),
            ..visitor.frame()
        },
    };
    Ok(Page::of(&page)?.into())
}

fn row(visitor: &Visitor, product: Product, facts: &Facts) -> Row {
    let price = facts
        .prices
        .as_ref()
        .and_then(|prices| prices.get(&product.item));
    let breaks = price.map_or(&[][..], |price| &price.breaks);
    let said = |step: &PriceBreak| {
        let price = words::unit_price(&step.unit_price);
        if step.from_quantity <= Decimal::ONE {
            price
        } else {
            format!("{price} from {}", words::number(step.from_quantity))
        }
    };
    let further = breaks.iter().skip(1).take(STEPS).map(said);
    let stock = facts.stock.as_ref();
    let stock = stock.and_then(|stock| stock.get(&product.item));
    Row {
        href: visitor.to(&format!(
            "product?item={}",
            words::encode(product.item.as_str())
        )),
        price: breaks.first().map(said),
        no_price: if facts.lacks_price_of(&product.item) {
            "not known"
        } else {
            "no price"
        },
        steps: further.collect(),
        supply: stock.map(|stock| {
            let (supply, text) = words::supply(stock);
            (supply.class(), text)
        }),
        item: product.item.to_string(),
        description: product.description,
        buyer_part_number: product.buyer_part_number,
        unit: product.sales_unit.to_string(),
        orderable: product.orderable,
    }
}

/// What is missing, or older than a reader would think.
pub(super) fn notices(facts: &Facts, asked: bool, now: Timestamp) -> Vec<String> {
    let mut notices = Vec::new();
    if !asked {
        return notices;
    }
    match &facts.prices {
        None => notices.push("Prices are not available at the moment. They will be on your cart before it is returned.".to_owned()),
        Some(prices) => {
            if !facts.on_request.is_empty() {
                notices.push("Some prices are not available at the moment. They will be on your cart before it is returned.".to_owned());
            }
            let oldest = prices.values().map(|price| price.as_of).min();
            if let Some(age) = oldest.and_then(|oldest| words::age(oldest, now)) {
                notices.push(format!("Prices are as they were {age} ago: the system that has them does not answer at the moment."));
            }
        }
    }
    match &facts.stock {
        None => notices.push("What is in stock is not known at the moment.".to_owned()),
        Some(stock) => {
            let oldest = stock.values().filter_map(|stock| stock.as_of).min();
            if let Some(age) = oldest.and_then(|oldest| words::age(oldest, now)) {
                notices.push(format!("Stock is as it was {age} ago: the system that has it does not answer at the moment."));
            }
        }
    }
    notices
}
