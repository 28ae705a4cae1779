//! Steering the proxy over HTTP, on a port of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::core::Core;
use super::plan::FaultPlan;

/// Entries of one answer.
const MAX_ENTRIES: usize = 10_000;

pub(super) fn router(core: Arc<Core>) -> Router {
    Router::new()
        .route("/__fault/rules", get(get_rules).put(put_rules))
        .route("/__fault/log", get(get_log).delete(delete_log))
        .route("/__fault/stats", get(get_stats))
        .with_state(core)
}

async fn get_rules(State(core): State<Arc<Core>>) -> Response {
    let (plan, rules) = core.plan();
    Json(json!({
        "seed": plan.seed,
        "latency": plan.latency,
        "rate_limit": plan.rate_limit,
        "max_concurrent": plan.max_concurrent,
        "rules": rules,
    }))
    .into_response()
}

async fn put_rules(State(core): State<Arc<Core>>, body: Bytes) -> Response {
    let plan: FaultPlan = match serde_json::from_slice(&body) {
        Ok(plan) => plan,
        Err(error) => return refuse(&error),
    };
    match core.set_plan(plan) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refuse(&error),
    }
}

#[derive(Deserialize)]
struct LogQuery {
    #[serde(default)]
    since: u64,
}

async fn get_log(State(core): State<Arc<Core>>, Query(query): Query<LogQuery>) -> Response {
    Json(core.log_since(query.since, MAX_ENTRIES)).into_response()
}

async fn delete_log(State(core): State<Arc<Core>>) -> StatusCode {
    core.clear_log();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct StatsQuery {
    #[serde(default = "one_second_ms")]
    window_ms: u64,
    #[serde(default)]
    path_prefix: String,
}

fn one_second_ms() -> u64 {
    1000
}

async fn get_stats(State(core): State<Arc<Core>>, Query(query): Query<StatsQuery>) -> Response {
    let window = Duration::from_millis(query.window_ms);
    Json(core.stats(window, &query.path_prefix)).into_response()
}

fn refuse(error: &dyn std::error::Error) -> Response {
    let body = json!({ "error": error.to_string() });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}
