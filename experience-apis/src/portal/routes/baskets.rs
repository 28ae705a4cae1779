//! Basket checks: prices, dates and the verdict, with nothing written.

use axum::extract::State;
use service_runtime::{extract::Json, problem::Problem};

use super::{ActingFor, BodyRefusals};
use crate::{
    admission::{Acting, PricesRead},
    clients::process::ProcessClient,
    portal::{
        mapping,
        shape::basket::{BasketCheck, BasketCheckRequest},
    },
};

/// Checks a basket as if it were an order: prices, dates and verdict.
///
/// Nothing is written or held, so it is also the what-if.
#[utoipa::path(post, path = "/portal/v1/basket-checks", tag = "baskets", security(("bearer" = [])),
    params(ActingFor), request_body = BasketCheckRequest,
    responses((status = 200, description = "What would become of it, also where that is a refusal", body = BasketCheck), BodyRefusals))]
pub(super) async fn check_basket(
    State(process): State<ProcessClient>,
    buyer: Acting<PricesRead>,
    Json(request): Json<BasketCheckRequest>,
) -> Result<Json<BasketCheck>, Problem> {
    let (request, named) = mapping::basket_request(request, buyer.account)?;
    let check = process.check_basket(&buyer.context, &request).await;
    let check = check.map_err(|error| named.repoint(error.into()))?;
    Ok(Json(mapping::basket_check(check, &named)))
}
