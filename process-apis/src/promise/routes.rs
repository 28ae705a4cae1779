//! `/v1/availability/query` and `/v1/reservations`.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use canonical_model::{
    ReservationId,
    promise::{Availabilities, AvailabilityQuery},
    reservation::{Reservation, ReservationRequest},
};
use service_runtime::{
    context::Caller,
    extract::{IdempotencyKey, Json, Path},
    problem::Problem,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    availability,
    reservations::{load, release, reserve},
};
use crate::{
    baskets::facts::Sources,
    catalog::check_items,
    clients::{Call, Lane},
    error::store_problem,
    idempotency::{Answer, Keyed, Once},
    state::AppState,
};

const SCOPE: &str = "reservations:write";

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(query_availability))
        .routes(routes!(create_reservation))
        .routes(routes!(get_reservation))
        .routes(routes!(release_reservation))
}

/// What is available of some items, by site and day.
#[utoipa::path(post, path = "/v1/availability/query", operation_id = "query_availability", tag = "availability",
    request_body = AvailabilityQuery,
    responses((status = 200, description = "What is available; items that do not exist are absent", body = Availabilities),
              (status = "default", description = "A problem", body = Problem)))]
async fn query_availability(
    State(sources): State<Sources>,
    caller: Caller,
    Json(query): Json<AvailabilityQuery>,
) -> Result<Json<Availabilities>, Problem> {
    caller.require("catalog:read")?;
    caller.require_account(query.account.as_str())?;
    check_items(query.items.len())?;
    let call = Call::for_caller(&caller, Lane::Browse)?;
    Ok(Json(availability::query(&sources, &call, &query).await?))
}

/// Holds stock for a time, before it is ordered.
#[utoipa::path(post, path = "/v1/reservations", operation_id = "create_reservation", tag = "reservations",
    params(("Idempotency-Key" = String, Header, description = "The caller's own name for this request")),
    request_body = ReservationRequest,
    responses((status = 201, description = "All of it is held", body = Reservation),
              (status = 409, description = "Not all of it is there, or the account holds as much as it may", body = Problem),
              (status = "default", description = "A problem", body = Problem)))]
async fn create_reservation(
    State(sources): State<Sources>,
    State(once): State<Once>,
    caller: Caller,
    key: IdempotencyKey,
    Json(request): Json<ReservationRequest>,
) -> Result<Response, Problem> {
    caller.require(SCOPE)?;
    caller.require_account(request.account.as_str())?;
    let call = Call::for_caller(&caller, Lane::Checkout)?;
    let keyed = Keyed::new(&caller, "create_reservation", &key, &request)?;
    let work = move |keyed: Keyed| async move { reserve(&sources, &call, request, &keyed).await };
    let answer = once.run(keyed, work).await?;
    let location = format!("/v1/reservations/{}", answer.subject.unwrap_or_default());
    Ok(([(header::LOCATION, location)], answer).into_response())
}

/// A reservation, and whether it is still held.
#[utoipa::path(get, path = "/v1/reservations/{reservation_id}", operation_id = "get_reservation", tag = "reservations",
    params(("reservation_id" = uuid::Uuid, Path, description = "The reservation's id")),
    responses((status = 200, description = "The reservation", body = Reservation),
              (status = "default", description = "A problem", body = Problem)))]
async fn get_reservation(
    State(sources): State<Sources>,
    caller: Caller,
    Path(id): Path<ReservationId>,
) -> Result<Json<Reservation>, Problem> {
    caller.require(SCOPE)?;
    let call = Call::for_caller(&caller, Lane::Browse)?;
    let known = load(sources.store.as_ref(), &call.company, id)
        .await
        .map_err(|error| store_problem(&error))?;
    let reservation = known
        .ok_or_else(Problem::not_found)?
        .stored
        .at(sources.clock.now());
    caller.require_account(reservation.account.as_str())?;
    Ok(Json(reservation))
}

/// Gives the stock back.
#[utoipa::path(post, path = "/v1/reservations/{reservation_id}/release", operation_id = "release_reservation",
    tag = "reservations",
    params(("reservation_id" = uuid::Uuid, Path, description = "The reservation's id"),
           ("Idempotency-Key" = String, Header, description = "The caller's own name for this request")),
    responses((status = 200, description = "It holds nothing any more", body = Reservation),
              (status = 409, description = "An order took it over, or it expired", body = Problem),
              (status = "default", description = "A problem", body = Problem)))]
async fn release_reservation(
    State(sources): State<Sources>,
    State(once): State<Once>,
    caller: Caller,
    key: IdempotencyKey,
    Path(id): Path<ReservationId>,
) -> Result<Answer, Problem> {
    caller.require(SCOPE)?;
    let call = Call::for_caller(&caller, Lane::Checkout)?;
    let keyed = Keyed::new(&caller, &format!("release_reservation/{id}"), &key, &id)?;
    let work = move |keyed: Keyed| async move { release(&sources, &call, id, &keyed).await };
    once.run(keyed, work).await
}
