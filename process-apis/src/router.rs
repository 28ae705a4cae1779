//! All routes of the layer, in the standard order of middleware.

use axum::{Router, middleware::from_fn_with_state};
use service_runtime::{
    context::{ContextVerifier, require_context},
    health::{self, Readiness},
    layers::{self, LayerOptions},
    metrics,
    openapi::{self, ContractInfo, Security},
};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    LAYER, baskets, catalog, credit, decisions,
    documents::{self, DocumentsConfig},
    events, exceptions, intake, orders, outage, pricing, promise, quotes,
    sessions::{self, SessionsConfig},
    state::AppState,
};

const INFO: ContractInfo = ContractInfo {
    title: "Orderway process-apis",
    version: env!("CARGO_PKG_VERSION"),
    description: "Prices, promises, credit, and orders taken once and brought into the ERP. For experience-apis only: \
every call carries their signed context, and sees the accounts it names; but for intake, which is for system-apis only. Errors are application/problem+json.",
    security: &[Security::CallContext],
};

/// The whole layer.
pub fn router(
    state: &AppState,
    [above, below]: [ContextVerifier; 2],
    readiness: Readiness,
) -> Result<Router, serde_json::Error> {
    let api = api(state.config.documents, state.config.sessions)
        .route_layer(from_fn_with_state(above, require_context));
    let door = intake::router().route_layer(from_fn_with_state(below, require_context));
    let (routes, contract) = openapi::finish(api.merge(door), &INFO);
    let routes: Router = routes
        .with_state(state.clone())
        .merge(openapi::routes(&contract)?)
        .merge(health::router(readiness))
        .merge(metrics::router());
    let requests = &state.config.requests;
    let options = LayerOptions {
        request_timeout: requests.timeout.get(),
        body_limit: requests.max_body.as_usize(),
        in_flight: requests.in_flight,
        ..LayerOptions::new(LAYER)
    };
    Ok(layers::standard(routes, options))
}

/// The published contract of the layer: what is not in it does not exist.
pub fn contract() -> OpenApi {
    let api = api(DocumentsConfig::default(), SessionsConfig::default());
    openapi::finish(api.merge(intake::router()), &INFO).1
}

fn api(documents: DocumentsConfig, sessions: SessionsConfig) -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(catalog::router())
        .merge(pricing::router())
        .merge(promise::router())
        .merge(credit::router())
        .merge(baskets::routes::router())
        .merge(quotes::router())
        .merge(orders::router())
        .merge(exceptions::router())
        .merge(outage::router())
        .merge(intake::quarantine_router())
        .merge(decisions::router())
        .merge(documents::router(documents))
        .merge(sessions::router(sessions))
        .merge(events::router())
        .merge(events::webhooks::router())
}
