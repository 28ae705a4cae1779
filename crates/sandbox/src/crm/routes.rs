//! The CRM's HTTP face.

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::book::NewTask;
use super::records::{CrmAccount, CrmContact, CrmError, CrmTask, TaskStatus};
use super::{Crm, control};

const MAX_BODY: usize = 1024 * 1024;
const MAX_KEYS: usize = 100;
const MAX_PAGE: usize = 100;
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

pub(super) fn router(crm: Crm) -> Router {
    let dialect = Router::new()
        .route("/crm/v3/accounts/search", post(search_accounts))
        .route("/crm/v3/contacts/search", post(search_contacts))
        .route("/crm/v3/tasks", get(list_tasks).post(create_task))
        .route("/crm/v3/tasks/{id}", get(get_task).patch(update_task))
        .layer(from_fn_with_state(crm.clone(), authenticate))
        .layer(from_fn_with_state(crm.clone(), limit))
        .layer(DefaultBodyLimit::max(MAX_BODY));
    control::router().merge(dialect).with_state(crm)
}

async fn limit(State(crm): State<Crm>, request: Request, next: Next) -> Response {
    let standing = crm.limit.call();
    let mut response = if standing.taken {
        next.run(request).await
    } else {
        let text = "too many calls: come back when the window is over";
        refuse(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT", text)
    };
    let headers = response.headers_mut();
    headers.insert(LIMIT, HeaderValue::from(standing.limit));
    headers.insert(REMAINING, HeaderValue::from(standing.remaining));
    headers.insert(RESET, HeaderValue::from(standing.reset));
    if !standing.taken {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(standing.reset));
    }
    response
}

async fn authenticate(State(crm): State<Crm>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION);
    let token = given
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if token == Some(&*crm.token) {
        return next.run(request).await;
    }
    let text = "the bearer token is missing or wrong";
    refuse(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", text)
}

fn usual_limit() -> usize {
    50
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    records: Vec<T>,
    next_cursor: Option<String>,
}

/// One page of a sequence, from where the cursor says.
fn page<T>(
    rows: impl Iterator<Item = T>,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<T>, CrmError> {
    if limit == 0 || limit > MAX_PAGE {
        let text = format!("limit is 1 to {MAX_PAGE}");
        return Err(CrmError::InvalidRequest(text));
    }
    let start = match cursor {
        None => 0,
        Some(cursor) => cursor
            .strip_prefix("cur_")
            .and_then(|text| usize::from_str_radix(text, 16).ok())
            .ok_or(CrmError::InvalidCursor)?,
    };
    let mut rows = rows.skip(start);
    let records: Vec<T> = rows.by_ref().take(limit).collect();
    let more = rows.next().is_some();
    Ok(Page {
        records,
        next_cursor: more.then(|| format!("cur_{:x}", start.saturating_add(limit))),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AccountSearch {
    account_numbers: Vec<String>,
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default = "usual_limit")]
    limit: usize,
}

async fn search_accounts(
    State(crm): State<Crm>,
    body: Bytes,
) -> Result<Json<Page<CrmAccount>>, CrmError> {
    let mut book = crm.book();
    book.count_call("searchAccounts");
    let search: AccountSearch = read(&body)?;
    few("accountNumbers", &search.account_numbers)?;
    let named = |account: &&CrmAccount| {
        let number = account.account_number.as_ref();
        number.is_some_and(|number| search.account_numbers.contains(number))
    };
    let found = book.accounts.iter().filter(named).cloned();
    page(found, search.cursor.as_deref(), search.limit).map(Json)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ContactSearch {
    account_ids: Vec<String>,
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default = "usual_limit")]
    limit: usize,
}

async fn search_contacts(
    State(crm): State<Crm>,
    body: Bytes,
) -> Result<Json<Page<CrmContact>>, CrmError> {
    let mut book = crm.book();
    book.count_call("searchContacts");
    let search: ContactSearch = read(&body)?;
    few("accountIds", &search.account_ids)?;
    let mut contacts = book.contacts.iter();
    let found = contacts
        .by_ref()
        .filter(|contact| search.account_ids.contains(&contact.account_id))
        .cloned();
    page(found, search.cursor.as_deref(), search.limit).map(Json)
}

async fn create_task(
    State(crm): State<Crm>,
    body: Bytes,
) -> Result<(StatusCode, Json<CrmTask>), CrmError> {
    let mut book = crm.book();
    book.count_call("createTask");
    let task: NewTask = read(&body)?;
    Ok((StatusCode::CREATED, Json(book.create(task)?)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TaskQuery {
    external_reference: String,
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default = "usual_limit")]
    limit: usize,
}

async fn list_tasks(
    State(crm): State<Crm>,
    query: Result<Query<TaskQuery>, QueryRejection>,
) -> Result<Json<Page<CrmTask>>, CrmError> {
    let mut book = crm.book();
    book.count_call("listTasks");
    let Query(query) = query.map_err(|error| CrmError::InvalidRequest(error.body_text()))?;
    let found = book.by_reference(&query.external_reference).cloned();
    page(found, query.cursor.as_deref(), query.limit).map(Json)
}

async fn get_task(
    State(crm): State<Crm>,
    Path(id): Path<String>,
) -> Result<Json<CrmTask>, CrmError> {
    let mut book = crm.book();
    book.count_call("getTask");
    book.task(&id).cloned().map(Json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskUpdate {
    status: TaskStatus,
}

async fn update_task(
    State(crm): State<Crm>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<CrmTask>, CrmError> {
    let mut book = crm.book();
    book.count_call("updateTask");
    let TaskUpdate { status } = read(&body)?;
    book.set_status(&id, status).map(Json)
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, CrmError> {
    serde_json::from_slice(body).map_err(|error| CrmError::InvalidRequest(error.to_string()))
}

fn few(name: &str, keys: &[String]) -> Result<(), CrmError> {
    if keys.len() <= MAX_KEYS {
        return Ok(());
    }
    let text = format!("{name} has {MAX_KEYS} entries at most");
    Err(CrmError::InvalidRequest(text))
}

impl IntoResponse for CrmError {
    fn into_response(self) -> Response {
        let text = self.to_string();
        let (status, code) = match &self {
            Self::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "INVALID_REQUEST"),
            Self::InvalidCursor => (StatusCode::BAD_REQUEST, "INVALID_CURSOR"),
            Self::UnknownAccount(_) => (StatusCode::UNPROCESSABLE_ENTITY, "UNKNOWN_ACCOUNT"),
            Self::UnknownTask(_) => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            Self::TaskClosed(_) => (StatusCode::CONFLICT, "TASK_CLOSED"),
            Self::DuplicateExternalReference { id, .. } => {
                let error = json!({
                    "errorCode": "DUPLICATE_EXTERNAL_REFERENCE", "message": text, "existingId": id,
                });
                return errors(StatusCode::CONFLICT, &error);
            }
        };
        refuse(status, code, &text)
    }
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    errors(status, &json!({ "errorCode": code, "message": message }))
}

fn errors(status: StatusCode, error: &Value) -> Response {
    (status, Json(json!({ "errors": [error] }))).into_response()
}
