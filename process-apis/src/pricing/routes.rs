//! `/v1/prices/query`: prices with their breaks, for browsing.

use axum::extract::State;
use canonical_model::{
    ItemNumber,
    price::{BrowsePriceQuery, BrowsePrices},
};
use service_runtime::{context::Caller, extract::Json, problem::Problem};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::page::{of_page, queries};
use crate::{
    baskets::facts::{Purpose, Sources, account},
    catalog::{by_number, check_items},
    clients::{Call, Lane, Questions},
    state::AppState,
};

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(query_prices))
}

/// What each quantity of some items costs an account today.
#[utoipa::path(post, path = "/v1/prices/query", operation_id = "query_prices", tag = "prices",
    request_body = BrowsePriceQuery,
    responses((status = 200, description = "The prices; items without a price are absent", body = BrowsePrices),
              (status = "default", description = "A problem", body = Problem)))]
async fn query_prices(
    State(sources): State<Sources>,
    caller: Caller,
    Json(query): Json<BrowsePriceQuery>,
) -> Result<Json<BrowsePrices>, Problem> {
    caller.require("prices:read")?;
    caller.require_account(query.account.as_str())?;
    check_items(query.items.len())?;
    let call = Call::for_caller(&caller, Lane::Browse)?;
    let ages = Purpose::Browse.ages(&sources.policies);
    let buyer = account(&sources, &call, &query.account, ages.account).await?;
    let ship_to = query
        .ship_to
        .clone()
        .or_else(|| buyer.ship_tos.first().map(|to| to.ship_to.clone()));
    if ship_to
        .as_ref()
        .is_some_and(|wanted| !buyer.ship_tos.iter().any(|known| known.ship_to == *wanted))
    {
        return Err(Problem::not_found());
    }
    let products = by_number(&sources, &call, &query.account, &query.items).await?;
    let items: Vec<ItemNumber> = products
        .iter()
        .map(|product| product.item.clone())
        .collect();
    let questions = Questions {
        prices: queries(&sources, &buyer.account, ship_to, &items),
        ..Questions::default()
    };
    let told = sources.system.ask(&call, questions).await.prices;
    Ok(Json(of_page(&sources, &call, &buyer, &products, told)?))
}
