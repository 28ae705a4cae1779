//! `/v1/quotes`.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use canonical_model::{
    QuoteId,
    quote::{Quote, QuoteRequest},
};
use service_runtime::{
    context::Caller,
    extract::{IdempotencyKey, Json, Path},
    problem::Problem,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{create, load};
use crate::{
    baskets::facts::Sources,
    clients::{Call, Lane},
    error::store_problem,
    idempotency::{Keyed, Once},
    state::AppState,
};

const SCOPE: &str = "quotes:write";

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_quote))
        .routes(routes!(get_quote))
}

/// Locks the prices of a basket for a time.
///
/// For `seconds`, or the policy's `quote.lifetime` without, and never longer than its `quote.max_lifetime`:
/// `expires_at` says until when. The prices are those of now: a line's `quote_id` is not looked at.
#[utoipa::path(post, path = "/v1/quotes", operation_id = "create_quote", tag = "quotes",
    params(("Idempotency-Key" = String, Header, description = "The caller's own name for this request")),
    request_body = QuoteRequest,
    responses((status = 201, description = "The prices are locked", body = Quote),
              (status = "default", description = "A problem", body = Problem)))]
async fn create_quote(
    State(sources): State<Sources>,
    State(once): State<Once>,
    caller: Caller,
    key: IdempotencyKey,
    Json(request): Json<QuoteRequest>,
) -> Result<Response, Problem> {
    caller.require(SCOPE)?;
    caller.require_account(request.account.as_str())?;
    let call = Call::for_caller(&caller, Lane::Checkout)?;
    let keyed = Keyed::new(&caller, "create_quote", &key, &request)?;
    let work = move |keyed: Keyed| async move { create(&sources, &call, request, &keyed).await };
    let answer = once.run(keyed, work).await?;
    let location = format!("/v1/quotes/{}", answer.subject.unwrap_or_default());
    Ok(([(header::LOCATION, location)], answer).into_response())
}

/// A quote, and whether its prices still hold.
#[utoipa::path(get, path = "/v1/quotes/{quote_id}", operation_id = "get_quote", tag = "quotes",
    params(("quote_id" = uuid::Uuid, Path, description = "The quote's id")),
    responses((status = 200, description = "The quote", body = Quote),
              (status = "default", description = "A problem", body = Problem)))]
async fn get_quote(
    State(sources): State<Sources>,
    caller: Caller,
    Path(id): Path<QuoteId>,
) -> Result<Json<Quote>, Problem> {
    caller.require(SCOPE)?;
    let call = Call::for_caller(&caller, Lane::Browse)?;
    let stored = load(sources.store.as_ref(), &call.company, id)
        .await
        .map_err(|error| store_problem(&error))?;
    let quote = stored
        .ok_or_else(Problem::not_found)?
        .at(sources.clock.now());
    caller.require_account(quote.account.as_str())?;
    Ok(Json(quote))
}
