//! `/v1/basket-checks`: what would become of a basket, without anything being written.

use axum::extract::State;
use canonical_model::{
    basket::{BasketCheck, BasketRequest},
    order::LinePolicy,
};
use service_runtime::{context::Caller, extract::Json, problem::Problem};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    assess::assess,
    facts::{Purpose, Sources, gather},
};
use crate::{
    clients::{Call, Lane},
    state::AppState,
};

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(check_basket))
}

/// Prices, promises and credit-checks a basket.
#[utoipa::path(post, path = "/v1/basket-checks", operation_id = "check_basket", tag = "baskets",
    request_body = BasketRequest,
    responses((status = 200, description = "What would become of it, also where it would be refused", body = BasketCheck),
              (status = "default", description = "A problem", body = Problem)))]
async fn check_basket(
    State(sources): State<Sources>,
    caller: Caller,
    Json(request): Json<BasketRequest>,
) -> Result<Json<BasketCheck>, Problem> {
    caller.require("prices:read")?;
    caller.require_account(request.account.as_str())?;
    let call = Call::for_caller(&caller, Lane::Checkout)?;
    let facts = gather(&sources, &call, &request, Purpose::Checkout).await?;
    let assessment = assess(
        &request,
        LinePolicy::AllOrNothing,
        &facts,
        sources.clock.now(),
    );
    Ok(Json(assessment.to_check()))
}
