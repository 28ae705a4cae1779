//! The canonical face of a company's CRM.

use std::sync::Arc;

use axum::http::StatusCode;
use canonical_model::{
    TaskNumber, TaskReference,
    account::AccountQuery,
    capabilities::CrmCapabilities,
    crm::{AccountStandings, Contacts, CreateTask, Task, Tasks},
};
use serde::Deserialize;
use service_runtime::{
    extract::{Json, Path, Query},
    problem::{FieldError, Problem},
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::backend::CrmBackend;
use crate::{
    call::{Aged, Call, at_most},
    error::BACKEND_NOT_CONFIGURED,
    state::AppState,
};

const MOST_ACCOUNTS: usize = 200;
const MOST_SUBJECT: usize = 120;
const MOST_DESCRIPTION: usize = 4_000;

/// The CRM's routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_crm_capabilities))
        .routes(routes!(query_standings))
        .routes(routes!(query_contacts))
        .routes(routes!(create_task, find_tasks))
        .routes(routes!(get_task))
        .routes(routes!(complete_task))
}

/// Tells what the company's CRM can do.
#[utoipa::path(
    get, path = "/v1/companies/{company}/crm/capabilities", tag = "crm", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI")),
    responses(
        (status = 200, description = "What it can do", body = CrmCapabilities),
        (status = 404, description = "`backend-not-configured`: the company has no CRM", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn get_crm_capabilities(call: Call) -> Result<Json<CrmCapabilities>, Problem> {
    Ok(Json(crm(&call)?.capabilities()))
}

/// Reads how accounts stand with those who look after them.
#[utoipa::path(
    post, path = "/v1/companies/{company}/crm/accounts/query", tag = "crm", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI")),
    request_body(content = AccountQuery, example = json!({"accounts": ["ACME", "ACME-WEST"]})),
    responses(
        (status = 200, description = "Of the accounts that the CRM knows, in the order asked", body = AccountStandings,
            headers(("Age" = u64, description = "Seconds since the oldest was read"), ("Cache-Status" = String, description = "RFC 9211"))),
        (status = 404, description = "`backend-not-configured`: the company has no CRM", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn query_standings(
    call: Call,
    Json(query): Json<AccountQuery>,
) -> Result<Aged<AccountStandings>, Problem> {
    at_most("accounts", query.accounts.len(), MOST_ACCOUNTS)?;
    let terms = call.terms(query.max_age_seconds, query.max_stale_seconds);
    let (standings, provenance) = crm(&call)?
        .standings(&call.company.id, query.accounts, terms)
        .await?;
    Ok(Aged {
        body: AccountStandings { standings },
        provenance,
    })
}

/// Reads whom to talk to at accounts: personal data.
#[utoipa::path(
    post, path = "/v1/companies/{company}/crm/contacts/query", tag = "crm", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI")),
    request_body(content = AccountQuery, example = json!({"accounts": ["ACME"], "max_age_seconds": 60})),
    responses(
        (status = 200, description = "Of the accounts that the CRM knows, in the order asked", body = Contacts,
            headers(("Age" = u64, description = "Seconds since the oldest was read"), ("Cache-Status" = String, description = "RFC 9211"))),
        (status = 404, description = "`backend-not-configured`: the company has no CRM", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn query_contacts(
    call: Call,
    Json(query): Json<AccountQuery>,
) -> Result<Aged<Contacts>, Problem> {
    at_most("accounts", query.accounts.len(), MOST_ACCOUNTS)?;
    let terms = call.terms(query.max_age_seconds, query.max_stale_seconds);
    let (accounts, provenance) = crm(&call)?
        .contacts(&call.company.id, query.accounts, terms)
        .await?;
    Ok(Aged {
        body: Contacts { accounts },
        provenance,
    })
}

/// Asks somebody to do something.
#[utoipa::path(
    post, path = "/v1/companies/{company}/crm/tasks", tag = "crm", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI")),
    request_body = CreateTask,
    responses(
        (status = 201, description = "The CRM has taken it", body = Task),
        (status = 200, description = "The CRM had a task with this reference already: this one, whatever became of it", body = Task),
        (status = 404, description = "`backend-not-configured`: the company has no CRM", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`backend-conflict`: the reference is used for another account", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The CRM refused it, for the reason in `detail`: backend-rejected", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "Either not begun (deadline-exceeded) or perhaps done (backend-outcome-unknown)", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn create_task(
    call: Call,
    Json(task): Json<CreateTask>,
) -> Result<(StatusCode, Json<Task>), Problem> {
    let crm = crm(&call)?;
    check(&task)?;
    let asked = crm.create_task(task, call.terms).await?;
    let status = if asked.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(asked.task)))
}

fn check(task: &CreateTask) -> Result<(), Problem> {
    let mut faults = Vec::new();
    let subject = task.subject.trim();
    if subject.is_empty()
        || task.subject.chars().count() > MOST_SUBJECT
        || subject.chars().any(char::is_control)
    {
        let detail =
            format!("Say in one line of 1 to {MOST_SUBJECT} characters what is to be done.");
        faults.push(FieldError::new("/subject", "not-a-line", detail));
    }
    if task.description.chars().count() > MOST_DESCRIPTION {
        let detail = format!("Use at most {MOST_DESCRIPTION} characters.");
        faults.push(FieldError::new("/description", "too-long", detail));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Problem::validation(faults))
    }
}

/// Which tasks are looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TaskQuery {
    /// Our key of the task.
    #[param(value_type = String, example = "OW7K2M4Q9T1B-CREDIT")]
    task_reference: TaskReference,
}

/// Finds the tasks of a reference; always from the source.
#[utoipa::path(
    get, path = "/v1/companies/{company}/crm/tasks", tag = "crm", security(("call_context" = [])),
    params(("company" = String, Path, description = "The selling company", example = "NWI"), TaskQuery),
    responses(
        (status = 200, description = "The oldest first; empty if there are none", body = Tasks),
        (status = 404, description = "`backend-not-configured`: the company has no CRM", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn find_tasks(call: Call, Query(query): Query<TaskQuery>) -> Result<Json<Tasks>, Problem> {
    let tasks = crm(&call)?
        .find_tasks(query.task_reference, call.terms)
        .await?;
    Ok(Json(Tasks { tasks }))
}

/// Reads a task as it is now; always from the source.
#[utoipa::path(
    get, path = "/v1/companies/{company}/crm/tasks/{task}", tag = "crm", security(("call_context" = [])),
    params(
        ("company" = String, Path, description = "The selling company", example = "NWI"),
        ("task" = String, Path, description = "The CRM's number of it", example = "tsk_090004"),
    ),
    responses(
        (status = 200, description = "The whole of it", body = Task),
        (status = 404, description = "`backend-not-found`: the CRM has none of this number, or `backend-not-configured`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn get_task(
    call: Call,
    Path((_company, task)): Path<(String, TaskNumber)>,
) -> Result<Json<Task>, Problem> {
    Ok(Json(crm(&call)?.task(task, call.terms).await?))
}

/// Notes that a task is done. Done twice is done.
#[utoipa::path(
    post, path = "/v1/companies/{company}/crm/tasks/{task}/complete", tag = "crm", security(("call_context" = [])),
    params(
        ("company" = String, Path, description = "The selling company", example = "NWI"),
        ("task" = String, Path, description = "The CRM's number of it", example = "tsk_090004"),
    ),
    responses(
        (status = 200, description = "It is done", body = Task),
        (status = 404, description = "`backend-not-found`: the CRM has none of this number, or `backend-not-configured`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It is cancelled, or this CRM's tasks are completed by people alone (`completes_tasks`): backend-rejected", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "Either not begun (deadline-exceeded) or perhaps done (backend-outcome-unknown)", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn complete_task(
    call: Call,
    Path((_company, task)): Path<(String, TaskNumber)>,
) -> Result<Json<Task>, Problem> {
    Ok(Json(crm(&call)?.complete_task(task, call.terms).await?))
}

fn crm(call: &Call) -> Result<&Arc<CrmBackend>, Problem> {
    call.company.crm.as_ref().ok_or_else(|| {
        let detail = "No CRM is configured for this company: do without, or name one as `crm` in its block of \
                      system-apis.toml.";
        Problem::new(BACKEND_NOT_CONFIGURED, detail)
    })
}
