//! Decision records, read: why something was decided, from which facts, by which rule, over which alternatives.

use std::sync::Arc;

use axum::extract::{FromRef, State};
use canonical_model::decision::DecisionRecord;
use service_runtime::{
    context::Caller,
    extract::{Json, Path},
    problem::Problem,
};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{error::store_problem, events::reach::Reach, store::Store};

#[cfg(test)]
mod tests;

/// The routes of decisions.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<dyn Store>: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(get_decision))
}

/// Reads a decision record.
#[utoipa::path(
    get, path = "/v1/decisions/{decision_id}", tag = "decisions", security(("call_context" = [])),
    params(("decision_id" = Uuid, Path, description = "The decision", example = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e")),
    responses(
        (status = 200, description = "What was asked, the facts, the rules and what came of it", body = DecisionRecord),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn get_decision(
    State(store): State<Arc<dyn Store>>,
    caller: Caller,
    Path(decision): Path<Uuid>,
) -> Result<Json<DecisionRecord>, Problem> {
    caller.require("decisions:read")?;
    let reach = Reach::of(&caller)?;
    let found = store
        .decision(decision)
        .await
        .map_err(|error| store_problem(&error))?;
    let own =
        found.filter(|(company, record)| *company == reach.company && reach.sees(&record.account));
    own.map(|(_, record)| Json(record))
        .ok_or_else(Problem::not_found)
}
