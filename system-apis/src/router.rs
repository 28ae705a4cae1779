//! All routes of the layer, in the standard order of middleware.

use axum::{Router, extract::State, middleware::from_fn_with_state};
use service_runtime::{
    context::{ContextVerifier, require_context},
    extract::Json,
    health::{self, Readiness},
    layers::{self, LayerOptions},
    metrics,
    openapi::{self, ContractInfo, Security},
    problem::Problem,
};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    LAYER,
    config::{Config, Requests},
    erp, intake,
    state::AppState,
    systems::Systems,
    wms,
};

const INFO: ContractInfo = ContractInfo {
    title: "Orderway system-apis",
    version: env!("CARGO_PKG_VERSION"),
    description: "Facts and orders of the backends of one company, in canonical words, behind a guard that keeps each \
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
        .routes(routes!(list_systems))
}

fn options(requests: &Requests) -> LayerOptions {
    LayerOptions {
        request_timeout: requests.timeout.get(),
        body_limit: requests.max_body.as_usize(),
        in_flight: requests.in_flight,
        ..LayerOptions::new(LAYER)
    }
}

/// Shows the guard of every backend: budget, breakers, caches.
#[utoipa::path(
    get, path = "/v1/systems", tag = "systems", security(("call_context" = [])),
    responses((status = 200, description = "The state of every backend's guard in this instance", body = Systems)),
)]
async fn list_systems(State(state): State<AppState>) -> Result<Json<Systems>, Problem> {
    Ok(Json(state.systems()))
}
