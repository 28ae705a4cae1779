//! Quotes: prices locked for a time.

use axum::extract::State;
use canonical_model::QuoteId;
use http::StatusCode;
use service_runtime::{
    extract::{IdempotencyKey, Json, Path},
    problem::Problem,
};

use super::{ActingFor, BodyRefusals, OneIntent, Refusals, reply::Reply};
use crate::{
    admission::{Acting, QuotesWrite},
    clients::process::ProcessClient,
    portal::{
        mapping,
        shape::quote::{Quote, QuoteRequest},
    },
};

/// Locks the prices of some lines for a time.
///
/// Every line must be sound: a quote is whole, or it is not made.
#[utoipa::path(post, path = "/portal/v1/quotes", tag = "quotes", security(("bearer" = [])),
    params(ActingFor, OneIntent), request_body = QuoteRequest,
    responses((status = 201, description = "The quote", body = Quote,
        headers(("Location" = String, description = "The quote"), ("Idempotency-Replayed" = Option<String>, description = "`true`: the stored answer of an earlier request with this key"))),
        BodyRefusals))]
pub(super) async fn create_quote(
    State(process): State<ProcessClient>,
    buyer: Acting<QuotesWrite>,
    key: IdempotencyKey,
    Json(request): Json<QuoteRequest>,
) -> Result<Reply<Quote>, Problem> {
    let (request, named) = mapping::quote_request(request, buyer.account)?;
    let made = process.create_quote(&buyer.context, &key, &request).await;
    let made = made.map_err(|error| named.repoint(error.into()))?;
    let location = format!("/portal/v1/quotes/{}", made.body.quote_id);
    let reply = Reply::new(StatusCode::CREATED, mapping::quote(made.body.clone()));
    Ok(reply.location(&location).once(&made))
}

/// Reads a quote.
#[utoipa::path(get, path = "/portal/v1/quotes/{quote_id}", tag = "quotes", security(("bearer" = [])),
    params(ActingFor, ("quote_id" = uuid::Uuid, Path, description = "The quote's id")),
    responses((status = 200, description = "The quote", body = Quote), Refusals))]
pub(super) async fn read_quote(
    State(process): State<ProcessClient>,
    buyer: Acting<QuotesWrite>,
    Path(quote_id): Path<QuoteId>,
) -> Result<Json<Quote>, Problem> {
    let quote = process.quote(&buyer.context, quote_id).await?;
    Ok(Json(mapping::quote(quote)))
}
