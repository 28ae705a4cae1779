//! The CRM's back door for demos and tests: look into it, do what its people do.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::Deserialize;

use super::records::{CrmAccount, CrmError, CrmTask, Lifecycle, TaskStatus};
use super::{Crm, routes::read};

pub(super) fn router() -> Router<Crm> {
    Router::new()
        .route("/crm/control/accounts", get(accounts))
        .route("/crm/control/accounts/{number}", put(set_account))
        .route("/crm/control/tasks", get(tasks))
        .route("/crm/control/tasks/{id}", put(set_task))
        .route("/crm/control/calls", get(calls))
}

async fn accounts(State(crm): State<Crm>) -> Json<Vec<CrmAccount>> {
    Json(crm.accounts())
}

async fn tasks(State(crm): State<Crm>) -> Json<Vec<CrmTask>> {
    Json(crm.tasks())
}

async fn calls(State(crm): State<Crm>) -> Response {
    Json(crm.calls()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetAccount {
    lifecycle: Lifecycle,
}

async fn set_account(
    State(crm): State<Crm>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<StatusCode, CrmError> {
    let SetAccount { lifecycle } = read(&body)?;
    crm.set_lifecycle(&number, lifecycle)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetTask {
    status: TaskStatus,
}

async fn set_task(
    State(crm): State<Crm>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<CrmTask>, CrmError> {
    let SetTask { status } = read(&body)?;
    crm.set_status(&id, status).map(Json)
}
