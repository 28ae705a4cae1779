//! All routes of the layer, in the standard order of middleware.

use axum::{Router, extract::State, middleware::from_fn_with_state};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use service_runtime::{
    context::{Caller, ContextVerifier, require_context},
    extract::{Json, Path},
    health::{self, Readiness},
    layers::{self, LayerOptions},
    metrics,
    openapi::{self, ContractInfo, Security},
    problem::{FieldError, Problem},
};
use tracing::info;
use utoipa::{IntoParams, ToSchema, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    LAYER,
    config::{Config, Requests},
    crm, erp,
    guard::breaker::Held,
    intake,
    state::AppState,
    systems::{BreakerOrder, BreakerStatus, Systems},
    wms,
};

/// The longest that a person may hold a breaker.
const LONGEST_HOLD: SignedDuration = SignedDuration::from_hours(24);
/// Characters of a reason.
const MOST_REASON: usize = 200;

const INFO: ContractInfo = ContractInfo {
    title: "Orderway system-apis",
    version: env!("CARGO_PKG_VERSION"),
    description: "Facts, orders and tasks of the backends of one company, in canonical words, behind a guard that keeps each \
backend's budget. For process-apis only: every call carries their signed context; but for \
webhooks, which backends sign. Errors are application/problem+json; \
their code says what is certain: backend-outcome-unknown is the only one after which a change may have happened.",
    security: &[Security::CallContext, Security::VendorSignature],
};

/// The whole layer.
pub fn router(
    config: &Config,
    state: &AppState,
    verifier: ContextVerifier,
    readiness: Readiness,
) -> Result<Router, serde_json::Error> {
    // Backends sign in their own way; everything else is for the layer above.
    let routes = api().route_layer(from_fn_with_state(verifier, require_context));
    let (routes, contract) = openapi::finish(routes.merge(intake::routes::router()), &INFO);
    let routes: Router = routes
        .with_state(state.clone())
        .merge(openapi::routes(&contract)?)
        .merge(health::router(readiness))
        .merge(metrics::router());
    Ok(layers::standard(routes, options(&config.requests)))
}

/// The published contract of the layer: what is not in it does not exist.
pub fn contract() -> OpenApi {
    openapi::finish(api().merge(intake::routes::router()), &INFO).1
}

fn api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(erp::routes::router())
        .merge(wms::routes::router())
        .merge(crm::routes::router())
        .routes(routes!(list_systems))
        .routes(routes!(hold_breaker, release_breaker))
}

fn options(requests: &Requests) -> LayerOptions {
    LayerOptions {
        request_timeout: requests.timeout.get(),
        body_limit: requests.max_body.as_usize(),
        in_flight: requests.in_flight,
        ..LayerOptions::new(LAYER)
    }
}

/// Shows the guard of every backend: budget, lanes, breakers, retries, caches.
#[utoipa::path(
    get, path = "/v1/systems", tag = "systems", security(("call_context" = [])),
    responses((status = 200, description = "The state of every backend's guard in this instance", body = Systems)),
)]
async fn list_systems(State(state): State<AppState>) -> Result<Json<Systems>, Problem> {
    Ok(Json(state.systems()))
}

/// What is ordered about a breaker.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HoldBreaker {
    /// How it is held.
    held: Held,
    /// Until when; then it decides itself again. At most a day ahead.
    until: Timestamp,
    /// Why, for those who come after: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
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

/// Holds a breaker open or closed until a given time, in every instance that the bus reaches. The same order again changes
/// nothing.
#[utoipa::path(
    put, path = "/v1/systems/{system}/operations/{operation}/breaker", tag = "systems",
    operation_id = "hold_breaker", security(("call_context" = [])), params(BreakerPath), request_body = HoldBreaker,
    responses((status = 200, description = "The breaker in this instance", body = BreakerStatus)),
)]
async fn hold_breaker(
    State(state): State<AppState>,
    caller: Caller,
    Path(path): Path<BreakerPath>,
    Json(order): Json<HoldBreaker>,
) -> Result<Json<BreakerStatus>, Problem> {
    let operation = state.operation(&path.system, &path.operation);
    let operation = operation.ok_or_else(Problem::not_found)?;
    check(&order, state.clock().now())?;
    let order = BreakerOrder {
        held: order.held,
        until: order.until,
        by: caller.principal.clone(),
        reason: order.reason,
    };
    let BreakerPath {
        system,
        operation: name,
    } = path;
    info!(
        system, operation = name, held = ?order.held, until = %order.until, principal = order.by, reason = order.reason,
        "a breaker is held by a person"
    );
    state.hold_breaker(system, name, Some(order)).await;
    Ok(Json(BreakerStatus::of(&operation)))
}

fn check(order: &HoldBreaker, now: Timestamp) -> Result<(), Problem> {
    let mut errors = Vec::new();
    let latest = now.saturating_add(LONGEST_HOLD).unwrap_or(Timestamp::MAX);
    if order.until <= now || order.until > latest {
        errors.push(FieldError::new(
            "/until",
            "out-of-range",
            "Name an instant within the next 24 hours.",
        ));
    }
    if !(1..=MOST_REASON).contains(&order.reason.chars().count()) {
        errors.push(FieldError::new(
            "/reason",
            "out-of-range",
            "Say why, in 1 to 200 characters.",
        ));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Problem::validation(errors))
    }
}

/// Lets a breaker decide itself again, in every instance that the bus reaches.
#[utoipa::path(
    delete, path = "/v1/systems/{system}/operations/{operation}/breaker", tag = "systems",
    operation_id = "release_breaker", security(("call_context" = [])), params(BreakerPath),
    responses((status = 200, description = "The breaker in this instance", body = BreakerStatus)),
)]
async fn release_breaker(
    State(state): State<AppState>,
    caller: Caller,
    Path(path): Path<BreakerPath>,
) -> Result<Json<BreakerStatus>, Problem> {
    let operation = state.operation(&path.system, &path.operation);
    let operation = operation.ok_or_else(Problem::not_found)?;
    info!(
        system = path.system,
        operation = path.operation,
        principal = caller.principal,
        "a breaker is let go"
    );
    state.hold_breaker(path.system, path.operation, None).await;
    Ok(Json(BreakerStatus::of(&operation)))
}
