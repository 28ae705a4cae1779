//! Reservations: stock held for a time before the order.

use axum::extract::State;
use canonical_model::ReservationId;
use http::StatusCode;
use service_runtime::{
    extract::{IdempotencyKey, Json, Path},
    problem::Problem,
};

use super::{ActingFor, BodyRefusals, OneIntent, Refusals, reply::Reply};
use crate::{
    admission::{Acting, ReservationsWrite},
    clients::process::ProcessClient,
    portal::{
        mapping,
        shape::reservation::{Reservation, ReservationRequest},
    },
};

/// Holds stock for a time: all lines in full, or nothing.
#[utoipa::path(post, path = "/portal/v1/reservations", tag = "reservations", security(("bearer" = [])),
    params(ActingFor, OneIntent), request_body = ReservationRequest,
    responses((status = 201, description = "The reservation", body = Reservation,
        headers(("Location" = String, description = "The reservation"), ("Idempotency-Replayed" = Option<String>, description = "`true`: the stored answer of an earlier request with this key"))),
        (status = 409, description = "`insufficient-stock`: not all of it can be held; see `errors` for what is available", body = Problem, content_type = "application/problem+json"),
        BodyRefusals))]
pub(super) async fn create_reservation(
    State(process): State<ProcessClient>,
    buyer: Acting<ReservationsWrite>,
    key: IdempotencyKey,
    Json(request): Json<ReservationRequest>,
) -> Result<Reply<Reservation>, Problem> {
    let (request, named) = mapping::reservation_request(request, buyer.account)?;
    let made = process
        .create_reservation(&buyer.context, &key, &request)
        .await;
    let made = made.map_err(|error| named.repoint(error.into()))?;
    let location = format!("/portal/v1/reservations/{}", made.body.reservation_id);
    let reply = Reply::new(StatusCode::CREATED, mapping::reservation(made.body.clone()));
    Ok(reply.location(&location).once(&made))
}

/// Reads a reservation.
#[utoipa::path(get, path = "/portal/v1/reservations/{reservation_id}", tag = "reservations", security(("bearer" = [])),
    params(ActingFor, ("reservation_id" = uuid::Uuid, Path, description = "The reservation's id")),
    responses((status = 200, description = "The reservation", body = Reservation), Refusals))]
pub(super) async fn read_reservation(
    State(process): State<ProcessClient>,
    buyer: Acting<ReservationsWrite>,
    Path(reservation_id): Path<ReservationId>,
) -> Result<Json<Reservation>, Problem> {
    let reservation = process.reservation(&buyer.context, reservation_id).await?;
    Ok(Json(mapping::reservation(reservation)))
}

/// Gives held stock back.
#[utoipa::path(post, path = "/portal/v1/reservations/{reservation_id}/release", tag = "reservations", security(("bearer" = [])),
    params(ActingFor, OneIntent, ("reservation_id" = uuid::Uuid, Path, description = "The reservation's id")),
    responses((status = 200, description = "The reservation as it now stands", body = Reservation), Refusals))]
pub(super) async fn release_reservation(
    State(process): State<ProcessClient>,
    buyer: Acting<ReservationsWrite>,
    key: IdempotencyKey,
    Path(reservation_id): Path<ReservationId>,
) -> Result<Reply<Reservation>, Problem> {
    let released = process
        .release_reservation(&buyer.context, &key, reservation_id)
        .await?;
    let reply = Reply::new(StatusCode::OK, mapping::reservation(released.body.clone()));
    Ok(reply.once(&released))
}
