//! The portal's operations, one file a resource, and what their contracts have in common.

mod accounts;
mod baskets;
mod events;
mod orders;
mod products;
mod quotes;
mod reply;
mod reservations;
mod wait;
mod webhooks;

use std::collections::BTreeMap;

use serde::Deserialize;
use service_runtime::problem::{FieldError, MEDIA_TYPE, Problem};
use utoipa::{
    IntoParams, IntoResponses, ToSchema,
    openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(accounts::list_accounts))
        .routes(routes!(accounts::read_account))
        .routes(routes!(accounts::read_account_credit))
        .routes(routes!(products::list_products))
        .routes(routes!(products::read_product))
        .routes(routes!(baskets::check_basket))
        .routes(routes!(quotes::create_quote))
        .routes(routes!(quotes::read_quote))
        .routes(routes!(reservations::create_reservation))
        .routes(routes!(reservations::read_reservation))
        .routes(routes!(reservations::release_reservation))
        .routes(routes!(orders::list_orders, orders::place_order))
        .routes(routes!(orders::read_order))
        .routes(routes!(orders::read_order_timeline))
        .routes(routes!(orders::cancel_order))
        .routes(routes!(events::list_events))
        .routes(routes!(events::stream_events))
        .merge(webhooks::router())
}

/// For which account the call is.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "read by crate::admission; stands here for the contract"
)]
struct ActingFor {
    /// The account to act for; needed only where the token acts for several.
    #[param(rename = "Orderway-Account", example = "ACME", required = false)]
    account: Option<String>,
}

/// The client's own name for one intent.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "read by its extractor; stands here for the contract"
)]
struct OneIntent {
    /// A value of your own, such as a UUID: the same one when you repeat the request, another for another intent.
    #[param(
        rename = "Idempotency-Key",
        example = "8e03978e-40d5-43e8-bc93-6894a57f9324",
        min_length = 1,
        max_length = 255
    )]
    key: String,
}

/// What every operation may answer besides its own.
struct Refusals;

/// The same for operations that read a body.
struct BodyRefusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            (
                "400",
                "`invalid-request`: a header or parameter cannot be read. `account-required`: the token acts for several accounts; name one in Orderway-Account",
            ),
            (
                "401",
                "`unauthenticated`: no token, or one that is not accepted",
            ),
            ("403", "`forbidden`: the token lacks the scope"),
            (
                "404",
                "`not-found`: nothing under this id, or it is another account's",
            ),
            (
                "429",
                "`rate-limited`: come back after the time in Retry-After",
            ),
            (
                "503",
                "`temporarily-unavailable`, `overloaded`, `contention`: come back after the time in Retry-After",
            ),
        ])
    }
}

impl IntoResponses for BodyRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = Refusals::responses();
        responses.extend(problems(&[
            ("413", "`payload-too-large`: send less in one request"),
            ("415", "`unsupported-media-type`: send application/json"),
            ("422", "`validation-failed` and the codes of the operation: see `errors`, each with a JSON Pointer into the body"),
        ]));
        responses
    }
}

fn problems(answers: &[(&str, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let problem = |description: &str| {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(Problem::name())))
            .build();
        ResponseBuilder::new()
            .description(description)
            .content(MEDIA_TYPE, content)
            .build()
    };
    answers
        .iter()
        .map(|(status, description)| ((*status).to_owned(), RefOr::T(problem(description))))
        .collect()
}

/// Refuses a page size that is not offered.
fn check_limit(limit: Option<u16>) -> Result<(), Problem> {
    if limit.is_none_or(|limit| (1..=200).contains(&limit)) {
        return Ok(());
    }
    let fault = FieldError::new("?limit", "out-of-range", "Ask for 1 to 200 items.");
    Err(Problem::validation(vec![fault]))
}
