//! All routes of the layer, in the standard order of middleware.

use std::sync::Arc;

use axum::{Router, middleware::from_fn_with_state};
use service_runtime::{
    health::{self, Readiness},
    layers::{self, LayerOptions},
    metrics,
    openapi::{self, ContractInfo, Security},
    problem::{Problem, codes},
};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    LAYER,
    admission::Admission,
    config::{Config, Requests},
    edi, portal, punchout,
    state::AppState,
};

const INFO: ContractInfo = ContractInfo {
    title: "Orderway experience-apis",
    version: env!("CARGO_PKG_VERSION"),
    description: "What storefronts (/portal), trading partners (X12, /edi) and procurement systems (cXML and OCI, /punchout) use: \
prices, availability and orders of the accounts they act for. Errors are application/problem+json with a stable code, and \
a Status in the answer where cXML is spoken; lists are paged by cursor. Operations of the portal that create or change \
something take an Idempotency-Key; documents are known again by their own numbers.",
    security: &[Security::Bearer, Security::Basic],
};

/// The whole layer.
pub fn router(
    state: &AppState,
    admission: Admission,
    readiness: Readiness,
) -> Result<Router, serde_json::Error> {
    let (portal, contract) = (portal::router(), contract());
    let portal: Router = Router::from(portal)
        // Said here already, so that the two layers below are around this answer too: a preflight is an OPTIONS.
        .method_not_allowed_fallback(method_not_allowed)
        .route_layer(from_fn_with_state(Arc::new(admission), Admission::admit))
        // Outside admission: a browser's preflight carries no token.
        .layer(portal::cors(&state.config.portal.cors_origins))
        .with_state(state.clone());
    let edi: Router = Router::from(edi::router()).with_state(state.clone());
    let punchout: Router = Router::from(punchout::router()).with_state(state.clone());
    let routes = portal
        .merge(edi)
        .merge(punchout)
        .merge(openapi::routes(&contract)?)
        .merge(health::router(readiness))
        .merge(metrics::router());
    Ok(layers::standard(routes, options(&state.config)))
}

async fn method_not_allowed() -> Problem {
    Problem::new(
        codes::METHOD_NOT_ALLOWED,
        "See `Allow` for the methods offered here.",
    )
}

/// The published contract of the layer: what is not in it does not exist.
pub fn contract() -> OpenApi {
    let routes: OpenApiRouter<AppState> = OpenApiRouter::new()
        .merge(portal::router())
        .merge(edi::router())
        .merge(punchout::router());
    openapi::finish(routes, &INFO).1
}

fn options(config: &Config) -> LayerOptions {
    let Requests {
        timeout,
        max_body,
        in_flight,
        in_flight_per_credential: _,
    } = &config.requests;
    LayerOptions {
        request_timeout: timeout.get(),
        body_limit: max_body.as_usize(),
        in_flight: *in_flight,
        ..LayerOptions::new(LAYER)
    }
}
