//! What a call may ask for besides the shop: an item as it is today, and a search without a visit.

use axum::response::Response;
use canonical_model::{
    ItemNumber, SessionId,
    basket::BasketLine,
    item::{ItemIdentifier, ItemScheme},
    price::{BrowsePrice, BrowsePriceQuery},
    product::Product,
    quote::QuoteRequest,
};
use rust_decimal::Decimal;
use service_runtime::{
    extract::IdempotencyKey,
    problem::{Problem, codes as generic},
};
use uuid::Uuid;

use super::{
    call::Call,
    cart::{self, charset_of, frame, manner},
    fields::{self, Item, Unwritable},
    login::Partner,
    page,
};
use crate::{
    error::{codes::REFUSED, unavailable},
    punchout::{
        context,
        visit::{LeavingCart, Mode, Protocol, Stage, Visit},
    },
    state::AppState,
};

/// Hits of one search: a page of the catalogue.
const MOST_HITS: u16 = 100;

/// The visit that a call asks for.
pub(super) fn visit(partner: &Partner, call: &Call, selected: Option<ItemNumber>) -> Visit {
    Visit {
        protocol: Protocol::Oci(call.visit.clone()),
        mode: Mode::Create,
        test: partner.profile().test_mode,
        return_url: call.return_url.clone(),
        cart: Vec::new(),
        ship_to: partner.profile().ship_to.default.clone(),
        selected,
        stage: Stage::Waiting,
    }
}

/// The product that PRODUCTID names.
pub(super) async fn product(
    state: &AppState,
    partner: &Partner,
    item: &ItemNumber,
) -> Result<Product, Problem> {
    let profile = partner.profile();
    let context = context::of_partner(profile);
    let found = state.process.product(&context, &profile.account, item);
    found.await.map_err(|error| {
        let problem = Problem::from(error);
        if !problem.is(generic::NOT_FOUND) {
            return problem;
        }
        let detail = "The field PRODUCTID names no product of your catalogue: send the EXT_PRODUCT_ID of an item as we posted it.";
        Problem::new(generic::NOT_FOUND, detail).caused_by(&problem)
    })
}

/// VALIDATE: the item at today's price and date, with a price lock of its own.
pub(super) async fn validate(
    state: &AppState,
    partner: &Partner,
    call: &Call,
    item: &ItemNumber,
    quantity: Decimal,
) -> Result<Response, Problem> {
    let profile = partner.profile();
    let context = context::of_partner(profile);
    let product = product(state, partner, item).await?;
    let request = QuoteRequest {
        account: profile.account.clone(),
        ship_to: profile.ship_to.default.clone(),
        lines: vec![BasketLine {
            identifiers: vec![ItemIdentifier {
                scheme: ItemScheme::SellerPartNumber,
                value: product.item.as_str().to_owned(),
            }],
            quantity,
            unit: Some(product.sales_unit),
            expected_unit_price: None,
            requested_delivery_date: None,
            buyer_line: None,
            quote_id: None,
        }],
        seconds: u32::try_from(profile.price_lock.get().as_secs()).ok(),
    };
    let key = IdempotencyKey::parse(&format!("oci-validate:{}", Uuid::new_v4()))?;
    let quote = state
        .process
        .create_quote(&context, &key, &request)
        .await?
        .body;
    let leaving = LeavingCart {
        quote: Some(&quote),
        products: std::slice::from_ref(&product),
        visit: &visit(partner, call, None),
        profile,
        currency: quote.total.currency,
        session_id: SessionId::generate(),
        now: state.clock.now(),
    };
    let form = cart::form(&leaving).map_err(|cannot| Problem::new(REFUSED, cannot.detail))?;
    Ok(page::posting(
        &form,
        profile,
        "The item goes back as it is today.",
    ))
}

/// `BACKGROUND_SEARCH`: what is found, at today's prices, without locks.
pub(super) async fn search(
    state: &AppState,
    partner: &Partner,
    call: &Call,
    words: &str,
) -> Result<Response, Problem> {
    let (profile, oci) = (partner.profile(), partner.oci());
    let context = context::of_partner(profile);
    let account = &profile.account;
    let found = state
        .process
        .products(&context, account, Some(words), None, Some(MOST_HITS))
        .await?;
    let mut products = found.items;
    products.retain(|product| product.orderable);
    let mut prices = Vec::new();
    if !products.is_empty() {
        let query = BrowsePriceQuery {
            account: account.clone(),
            ship_to: profile.ship_to.default.clone(),
            items: products
                .iter()
                .map(|product| product.item.clone())
                .collect(),
        };
        let known = state.process.prices(&context, &query).await?;
        // What is left out of an answer is not there, for the buyer's system.
        if !known.on_request.is_empty() {
            return Err(unavailable(None));
        }
        prices = known.prices;
    }
    let charset = charset_of(&call.visit, oci);
    let manner = manner(profile, oci, charset);
    let mut items: Vec<Item<'_>> = Vec::new();
    for product in &products {
        let price = prices.iter().find(|price| price.item == product.item);
        let hit = price.and_then(|price| hit(product, price, cart::class(product, profile)));
        // A hit that could not be ordered by what is posted is none.
        let Some(hit) = hit else { continue };
        match fields::write(std::slice::from_ref(&hit), &manner) {
            Ok(_) => items.push(hit),
            Err(Unwritable { field, why, .. }) => {
                tracing::warn!(partner = profile.id, field, why, "a hit cannot be posted");
            }
        }
    }
    let fields = fields::write(&items, &manner).map_err(|error| Problem::internal(&error))?;
    let form = frame(&call.return_url, &call.visit, charset, fields);
    Ok(page::posting(&form, profile, "The products found go back."))
}

/// A product at the price of the smallest quantity.
fn hit<'a>(product: &'a Product, price: &'a BrowsePrice, class: &'a str) -> Option<Item<'a>> {
    let first = price.breaks.first()?;
    let price = &first.unit_price;
    Some(Item {
        description: &product.description,
        buyer_part_number: product.buyer_part_number.as_deref(),
        part_number: product.item.as_str(),
        quantity: first.from_quantity.max(Decimal::ONE),
        unit: price.unit,
        unit_price: price.amount,
        currency: price.currency,
        lead_time: None,
        unspsc: class,
        lock: None,
    })
}
