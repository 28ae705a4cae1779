//! `/v1/accounts`, `/v1/products` and `/v1/systems`.

use std::sync::Arc;

use axum::extract::State;
use canonical_model::{
    AccountId, ItemNumber,
    account::{Account, AccountQuery, Accounts},
    catalog::{CatalogItem, CatalogPage},
    product::{BrowseProductQuery, Product, ProductMatches, ProductPage, ProductSearch},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service_runtime::{
    context::{AccountScope, Caller},
    extract::{Json, Path, Query},
    page::MAX_LIMIT,
    problem::{FieldError, Problem},
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    by_number, check_items, matches, page,
    shown::{Shown, Wanted},
};
use crate::{
    baskets::{
        facts::{self, Sources},
        standing::Limit,
    },
    clients::{Call, Lane, SystemApis},
    state::AppState,
};

/// How long the words of a search may be.
const MAX_SEARCH: usize = 200;
/// How many accounts one question may name.
const MAX_ACCOUNTS: usize = 200;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_accounts))
        .routes(routes!(get_account))
        .routes(routes!(search_products))
        .routes(routes!(query_products))
        .routes(routes!(get_product))
        .routes(routes!(browse_catalog))
        .routes(routes!(get_catalog_item))
        .routes(routes!(list_systems))
        .routes(routes!(hold_breaker, release_breaker))
}

/// The accounts that the caller may act for.
#[utoipa::path(get, path = "/v1/accounts", operation_id = "list_accounts", tag = "accounts",
    responses((status = 200, description = "The accounts", body = Accounts),
              (status = "default", description = "A problem", body = Problem)))]
async fn list_accounts(
    State(system): State<Arc<dyn SystemApis>>,
    caller: Caller,
) -> Result<Json<Accounts>, Problem> {
    caller.require("accounts:read")?;
    let AccountScope::List(numbers) = &caller.accounts else {
        return Err(Problem::forbidden(
            "A layer's own identity has no accounts; ask for one by its number.",
        ));
    };
    let call = Call::for_caller(&caller, Lane::Browse)?;
    let numbers: Vec<AccountId> = numbers
        .iter()
        .filter_map(|text| AccountId::new(text.as_str()).ok())
        .collect();
    let mut accounts = Vec::with_capacity(numbers.len());
    for numbers in numbers.chunks(MAX_ACCOUNTS) {
        let query = AccountQuery {
            accounts: numbers.to_vec(),
            max_age_seconds: None,
            max_stale_seconds: None,
        };
        accounts.extend(system.accounts(&call, &query).await?.accounts);
    }
    accounts.retain(|account| {
        caller.may_see(account.account.as_str()) && account.company == call.company
    });
    Ok(Json(Accounts { accounts }))
}

/// An account.
#[utoipa::path(get, path = "/v1/accounts/{account}", operation_id = "get_account", tag = "accounts",
    params(("account" = String, Path, description = "The account's number", example = "ACME")),
    responses((status = 200, description = "The account", body = Account),
              (status = "default", description = "A problem", body = Problem)))]
async fn get_account(
    State(sources): State<Sources>,
    caller: Caller,
    Path(number): Path<AccountId>,
) -> Result<Json<Account>, Problem> {
    caller.require("accounts:read")?;
    caller.require_account(number.as_str())?;
    let call = Call::for_caller(&caller, Lane::Browse)?;
    Ok(Json(
        facts::account(&sources, &call, &number, Limit::default()).await?,
    ))
}

/// A page of the catalogue.
#[utoipa::path(get, path = "/v1/products", operation_id = "search_products", tag = "products",
    params(ProductSearch),
    responses((status = 200, description = "The products, by number", body = ProductPage),
              (status = "default", description = "A problem", body = Problem)))]
async fn search_products(
    State(system): State<Arc<dyn SystemApis>>,
    caller: Caller,
    Query(search): Query<ProductSearch>,
) -> Result<Json<ProductPage>, Problem> {
    caller.require("catalog:read")?;
    if let Some(account) = &search.account {
        caller.require_account(account.as_str())?;
    }
    check_search(&search)?;
    let call = Call::for_caller(&caller, Lane::Browse)?;
    Ok(Json(system.products_search(&call, &search).await?))
}

/// A page of the catalogue, with the account's prices and what is available. One call for what a page shows.
#[utoipa::path(get, path = "/v1/catalog", operation_id = "browse_catalog", tag = "products",
    params(ProductSearch),
    responses((status = 200, description = "The products, by number", body = CatalogPage),
              (status = "default", description = "A problem", body = Problem)))]
async fn browse_catalog(
    State(sources): State<Sources>,
    State(shown): State<Shown>,
    caller: Caller,
    Query(search): Query<ProductSearch>,
) -> Result<Json<CatalogPage>, Problem> {
    may_browse(&caller)?;
    check_search(&search)?;
    let number = account_asked(&caller, search.account.clone())?;
    let call = Call::for_caller(&caller, Lane::Browse)?;
    let search = ProductSearch {
        account: Some(number.clone()),
        ..search
    };
    let wanted = Wanted::Page(search);
    Ok(Json(
        page::view(&sources, &shown, &call, &number, wanted).await?,
    ))
}

/// A product, with the account's price and what is available.
#[utoipa::path(get, path = "/v1/catalog/{item}", operation_id = "get_catalog_item", tag = "products",
    params(("item" = String, Path, description = "The seller's number", example = "SKU-0001"), Buyer),
    responses((status = 200, description = "The product", body = CatalogItem),
              (status = "default", description = "A problem", body = Problem)))]
async fn get_catalog_item(
    State(sources): State<Sources>,
    State(shown): State<Shown>,
    caller: Caller,
    Path(item): Path<ItemNumber>,
    Query(buyer): Query<Buyer>,
) -> Result<Json<CatalogItem>, Problem> {
    may_browse(&caller)?;
    let number = account_asked(&caller, buyer.account)?;
    let call = Call::for_caller(&caller, Lane::Browse)?;
    let wanted = Wanted::Item(item);
    let found = page::view(&sources, &shown, &call, &number, wanted).await?;
    found
        .items
        .into_iter()
        .next()
        .map(Json)
        .ok_or_else(Problem::not_found)
}

fn may_browse(caller: &Caller) -> Result<(), Problem> {
    caller.require("catalog:read")?;
    caller.require("prices:read")
}

fn check_search(search: &ProductSearch) -> Result<(), Problem> {
    let mut faults = Vec::new();
    if let Some(limit) = search.limit
        && !(1..=MAX_LIMIT).contains(&u32::from(limit))
    {
        let detail = format!("Ask for 1 to {MAX_LIMIT} items.");
        faults.push(FieldError::new("?limit", "out-of-range", detail));
    }
    if let Some(words) = &search.search
        && (words.chars().count() > MAX_SEARCH || words.chars().any(char::is_control))
    {
        let detail = format!("Search for at most {MAX_SEARCH} visible characters.");
        faults.push(FieldError::new("?search", "out-of-range", detail));
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(Problem::validation(faults))
}

/// The account that is named, or the caller's only one; one that it may not see is as one that does not exist.
fn account_asked(caller: &Caller, named: Option<AccountId>) -> Result<AccountId, Problem> {
    let only = || {
        caller
            .accounts
            .single()
            .and_then(|text| AccountId::new(text).ok())
    };
    let account = named.or_else(only).ok_or_else(|| {
        Problem::validation(vec![FieldError::new(
            "?account",
            "missing",
            "Say for which account.",
        )])
    })?;
    caller.require_account(account.as_str())?;
    Ok(account)
}

/// Some products at once.
#[utoipa::path(post, path = "/v1/products/query", operation_id = "query_products", tag = "products",
    request_body(content = BrowseProductQuery, example = json!({"account": "ACME", "items": ["SKU-0001"]})),
    responses((status = 200, description = "The products", body = ProductMatches),
              (status = "default", description = "A problem", body = Problem)))]
async fn query_products(
    State(sources): State<Sources>,
    caller: Caller,
    Json(query): Json<BrowseProductQuery>,
) -> Result<Json<ProductMatches>, Problem> {
    caller.require("catalog:read")?;
    caller.require_account(query.account.as_str())?;
    check_items(query.items.len())?;
    let call = Call::for_caller(&caller, Lane::Browse)?;
    let found = matches(&sources, &call, &query.account, &query.items).await?;
    Ok(Json(found))
}

/// Whose part numbers are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Buyer {
    /// The account; absent = the caller's only one.
    account: Option<AccountId>,
}

/// A product.
#[utoipa::path(get, path = "/v1/products/{item}", operation_id = "get_product", tag = "products",
    params(("item" = String, Path, description = "The seller's number", example = "SKU-0001"), Buyer),
    responses((status = 200, description = "The product", body = Product),
              (status = "default", description = "A problem", body = Problem)))]
async fn get_product(
    State(sources): State<Sources>,
    caller: Caller,
    Path(item): Path<ItemNumber>,
    Query(buyer): Query<Buyer>,
) -> Result<Json<Product>, Problem> {
    caller.require("catalog:read")?;
    let account = account_asked(&caller, buyer.account)?;
    let call = Call::for_caller(&caller, Lane::Browse)?;
    let found = by_number(&sources, &call, &account, &[item]).await?;
    found
        .into_iter()
        .next()
        .map(Json)
        .ok_or_else(Problem::not_found)
}

/// Every backend and the state of its guard.
#[utoipa::path(get, path = "/v1/systems", operation_id = "list_systems", tag = "systems",
    responses((status = 200, description = "As system-apis tell it", body = serde_json::Value),
              (status = "default", description = "A problem", body = Problem)))]
async fn list_systems(
    State(system): State<Arc<dyn SystemApis>>,
    caller: Caller,
) -> Result<Json<serde_json::Value>, Problem> {
    caller.require("systems:read")?;
    let call = Call::for_caller(&caller, Lane::Browse)?;
    Ok(Json(system.systems(&call).await?))
}

/// A breaker, by the names of its backend and operation.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct BreakerPath {
    /// The backend.
    #[param(example = "main")]
    system: String,
    /// Its operation.
    #[param(example = "prices")]
    operation: String,
}

/// How an operator holds a breaker.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HoldBreaker {
    /// Open: nothing is let through. Closed: everything is, whatever comes of it.
    held: HeldBreaker,
    /// Until when; then it decides itself again. At most a day ahead.
    until: Timestamp,
    /// Why, for those who come after: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// What a held breaker lets through.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum HeldBreaker {
    /// Nothing.
    Open,
    /// Everything, whatever comes of it.
    Closed,
}

/// Holds the breaker of a backend's operation open or closed until a given time. The same order again changes nothing.
#[utoipa::path(put, path = "/v1/systems/{system}/operations/{operation}/breaker", operation_id = "hold_breaker", tag = "systems",
    security(("call_context" = ["systems:write"])), params(BreakerPath), request_body = HoldBreaker,
    responses((status = 200, description = "The breaker, as system-apis tell it", body = serde_json::Value),
              (status = "default", description = "A problem", body = Problem)))]
async fn hold_breaker(
    State(system): State<Arc<dyn SystemApis>>,
    caller: Caller,
    Path(path): Path<BreakerPath>,
    Json(order): Json<HoldBreaker>,
) -> Result<Json<serde_json::Value>, Problem> {
    let call = operators_call(&caller)?;
    let order = serde_json::to_value(&order).map_err(|error| Problem::internal(&error))?;
    let held = system.hold_breaker(&call, &path.system, &path.operation, Some(&order));
    Ok(Json(held.await?))
}

/// Lets the breaker of a backend's operation decide itself again.
#[utoipa::path(delete, path = "/v1/systems/{system}/operations/{operation}/breaker", operation_id = "release_breaker", tag = "systems",
    security(("call_context" = ["systems:write"])), params(BreakerPath),
    responses((status = 200, description = "The breaker, as system-apis tell it", body = serde_json::Value),
              (status = "default", description = "A problem", body = Problem)))]
async fn release_breaker(
    State(system): State<Arc<dyn SystemApis>>,
    caller: Caller,
    Path(path): Path<BreakerPath>,
) -> Result<Json<serde_json::Value>, Problem> {
    let call = operators_call(&caller)?;
    let held = system.hold_breaker(&call, &path.system, &path.operation, None);
    Ok(Json(held.await?))
}

/// What concerns all accounts is for those who see them all.
fn operators_call(caller: &Caller) -> Result<Call, Problem> {
    caller.require("systems:write")?;
    if caller.accounts != AccountScope::All {
        return Err(Problem::forbidden(
            "A breaker concerns all accounts; ask for a credential that sees all of them.",
        ));
    }
    Call::for_caller(caller, Lane::Order)
}
