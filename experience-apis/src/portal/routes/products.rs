//! The catalogue at the account's own prices.

use axum::extract::State;
use canonical_model::ItemNumber;
use service_runtime::{
    extract::{Json, Path, Query},
    problem::{FieldError, Problem},
};

use super::{ActingFor, Refusals, check_limit};
use crate::{
    admission::{Acting, CatalogRead},
    clients::process::ProcessClient,
    portal::{
        Pages, ShownPage, mapping,
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
    State(pages): State<Pages>,
    buyer: Acting<CatalogRead>,
    Query(search): Query<ProductSearch>,
) -> Result<ShownPage, Problem> {
    check_limit(search.limit)?;
    let words = check_search(search.search.as_deref())?;
    let written = process
        .catalog(
            &buyer.context,
            &buyer.account,
            words,
            search.cursor.as_deref(),
            search.limit,
        )
        .await?;
    pages.show(&written)
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
    let product = process.catalog_item(context, account, &item).await?;
    Ok(Json(mapping::product(product)))
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
