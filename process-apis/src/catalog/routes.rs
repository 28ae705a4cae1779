//! `/v1/accounts`, `/v1/products` and `/v1/systems`.

use std::sync::Arc;

use axum::extract::State;
use canonical_model::{
    AccountId, ItemNumber,
    account::{Account, AccountQuery, Accounts},
    product::{BrowseProductQuery, Product, ProductMatches, ProductPage, ProductSearch},
};
use serde::Deserialize;
use service_runtime::{
    context::{AccountScope, Caller},
    extract::{Json, Path, Query},
    page::MAX_LIMIT,
    problem::{FieldError, Problem},
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{by_number, check_items, matches};
use crate::{
    baskets::{
        facts::{self, Sources},
        standing::Limit,
    },
    clients::{Call, Lane, SystemApis},
    state::AppState,
};

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
        .routes(routes!(list_systems))
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
    if search
        .limit
        .is_some_and(|limit| !(1..=MAX_LIMIT).contains(&u32::from(limit)))
    {
        let detail = format!("Ask for 1 to {MAX_LIMIT} items.");
        return Err(Problem::validation(vec![FieldError::new(
            "?limit",
            "out-of-range",
            detail,
        )]));
    }
    let call = Call::for_caller(&caller, Lane::Browse)?;
    Ok(Json(system.products_search(&call, &search).await?))
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
    let only = || {
        caller
            .accounts
            .single()
            .and_then(|text| AccountId::new(text).ok())
    };
    let account = buyer.account.or_else(only).ok_or_else(|| {
        Problem::validation(vec![FieldError::new(
            "?account",
            "missing",
            "Say for which account.",
        )])
    })?;
    caller.require_account(account.as_str())?;
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
