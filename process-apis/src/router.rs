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
    events, exceptions, orders, pricing, promise, quotes,
    sessions::{self, SessionsConfig},
    state::AppState,
};

const INFO: ContractInfo = ContractInfo {
    title: "Orderway process-apis",
    version: env!("CARGO_PKG_VERSION"),
    description: "Prices, promises, credit, and orders taken once and brought into the ERP. For experience-apis only: \
every call carries their signed context, and sees the accounts it names. Errors are application/problem+json.",
    security: &[Security::CallContext],
};

/// The whole layer.
pub fn router(
    state: &AppState,
    verifier: ContextVerifier,
    readiness: Readiness,
) -> Result<Router, serde_json::Error> {
    let (routes, contract) =
        openapi::finish(api(state.config.documents, state.config.sessions), &INFO);
    let routes: Router = routes
        .route_layer(from_fn_with_state(verifier, require_context))
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
    openapi::finish(api, &INFO).1
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
        .merge(decisions::router())
        .merge(documents::router(documents))
        .merge(sessions::router(sessions))
        .merge(events::router())
        .merge(events::webhooks::router())
}
