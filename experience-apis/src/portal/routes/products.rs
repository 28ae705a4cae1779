//! The catalogue at the account's own prices.

use axum::extract::State;
use canonical_model::{
    AccountId, ItemNumber,
    price::{BrowsePriceQuery, BrowsePrices},
    promise::{Availabilities, AvailabilityQuery},
};
use service_runtime::{
    context::CallContext,
    extract::{Json, Path, Query},
    problem::{FieldError, Problem},
};

use super::{ActingFor, Refusals, check_limit};
use crate::{
    admission::{Acting, CatalogRead},
    clients::process::{CallError, ProcessClient},
    portal::{
        mapping,
        shape::product::{Product, ProductPage, ProductSearch},
    },
};

const MAX_SEARCH: usize = 200;

/// Searches the catalogue; each product with the account's price breaks and what is available.
#[utoipa::path(get, path = "/portal/v1/products", tag = "products", security(("bearer" = [])),
    params(ActingFor, ProductSearch),
    responses((status = 200, description = "A page of products, by item number", body = ProductPage), Refusals))]
pub(super) async fn list_products(
    State(process): State<ProcessClient>,
    buyer: Acting<CatalogRead>,
    Query(search): Query<ProductSearch>,
) -> Result<Json<ProductPage>, Problem> {
    check_limit(search.limit)?;
    let words = check_search(search.search.as_deref())?;
    let (context, account) = (&buyer.context, &buyer.account);
    let page = process
        .products(
            context,
            account,
            words,
            search.cursor.as_deref(),
            search.limit,
        )
        .await?;
    let items = page.items.iter().map(|product| product.item.clone());
    let (prices, stock) = facts(&process, context, account, items.collect()).await?;
    Ok(Json(mapping::product_page(page, prices, stock)))
}

/// Reads one product, with the account's price breaks and what is available.
#[utoipa::path(get, path = "/portal/v1/products/{item}", tag = "products", security(("bearer" = [])),
    params(ActingFor, ("item" = String, Path, description = "The seller's item number", example = "SKU-0001")),
    responses((status = 200, description = "The product", body = Product), Refusals))]
pub(super) async fn read_product(
    State(process): State<ProcessClient>,
    buyer: Acting<CatalogRead>,
    Path(item): Path<ItemNumber>,
) -> Result<Json<Product>, Problem> {
    let (context, account) = (&buyer.context, &buyer.account);
    let product = process.product(context, account, &item).await?;
    let (prices, stock) = facts(&process, context, account, vec![product.item.clone()]).await?;
    let on_request = prices.on_request.contains(&product.item);
    let (price, stock) = (
        prices.prices.into_iter().next(),
        stock.items.into_iter().next(),
    );
    let mut product = mapping::product(product, price, stock);
    product.price_on_request = on_request;
    Ok(Json(product))
}

/// Prices and stock of a page: one call each, at the same time.
async fn facts(
    process: &ProcessClient,
    context: &CallContext,
    account: &AccountId,
    items: Vec<ItemNumber>,
) -> Result<(BrowsePrices, Availabilities), CallError> {
    if items.is_empty() {
        return Ok((
            BrowsePrices {
                prices: Vec::new(),
                on_request: Vec::new(),
            },
            Availabilities { items: Vec::new() },
        ));
    }
    let prices = BrowsePriceQuery {
        account: account.clone(),
        ship_to: None,
        items: items.clone(),
    };
    let stock = AvailabilityQuery {
        account: account.clone(),
        ship_to: None,
        items,
    };
    tokio::try_join!(
        process.prices(context, &prices),
        process.availability(context, &stock)
    )
}

fn check_search(search: Option<&str>) -> Result<Option<&str>, Problem> {
    let words = search.map(str::trim).filter(|words| !words.is_empty());
    let sound = words.is_none_or(|words| {
        words.chars().count() <= MAX_SEARCH && !words.chars().any(char::is_control)
    });
    if sound {
        return Ok(words);
    }
    let detail = format!("Search for at most {MAX_SEARCH} visible characters.");
    Err(Problem::validation(vec![FieldError::new(
        "?search",
        "out-of-range",
        detail,
    )]))
}
