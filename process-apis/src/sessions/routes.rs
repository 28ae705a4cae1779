//! `/v1/sessions`.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{DefaultBodyLimit, FromRef, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use canonical_model::{
    SessionId,
    session::{ChangeSession, OpenSession, Session, SessionSearch, Sessions as Found},
};
use service_runtime::{
    clock::Clock,
    context::Caller,
    extract::{Etag, IfMatch, Json, Path, Query},
    problem::Problem,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    config::SessionsConfig,
    service::{Opened, Sessions},
};
use crate::store::Store;

/// The largest content, and what stands around it.
const LARGEST_BODY: usize = 2 * 1024 * 1024;

/// The routes of sessions, within these limits.
pub fn router<S>(config: SessionsConfig) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<dyn Store>: FromRef<S>,
    Clock: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(open_session, find_sessions))
        .routes(routes!(get_session, change_session))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(Extension(config))
}

/// Opens a session.
///
/// The id is the caller's: the same partner, account and content under it once more are answered with the session as it
/// is now, which may have ended. It is known so for a day after its end.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "sessions", security(("call_context" = ["sessions:write"])),
    request_body(content = OpenSession, example = json!({"session_id": "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e",
        "partner": "acme-punchout", "account": "C-1000", "keys": ["cookie/34234234ADFSDF234234"],
        "content": {"cart": []}, "expires_at": "2026-03-02T20:00:00Z"})),
    responses(
        (status = 201, description = "Opened", body = Session,
            headers(("location" = String, description = "The session"), ("etag" = String, description = "Its version"))),
        (status = 200, description = "Opened before, with the same content", body = Session,
            headers(("location" = String, description = "The session"), ("etag" = String, description = "Its version"))),
        (status = 409, description = "`session-exists`: opened before, with other content", body = Problem),
        (status = 429, description = "`session-limit`: the partner has as many sessions as it may", body = Problem),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn open_session(
    State(store): State<Arc<dyn Store>>,
    State(clock): State<Clock>,
    Extension(config): Extension<SessionsConfig>,
    caller: Caller,
    Json(request): Json<OpenSession>,
) -> Result<(StatusCode, HeaderMap, Json<Session>), Problem> {
    let sessions = Sessions::of(store.as_ref(), &clock, &caller)?;
    let Opened { session, repeated } = sessions.open(request, config).await?;
    let status = if repeated {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let location = format!("/v1/sessions/{}", session.session_id);
    let (mut headers, body) = with_etag(session);
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(header::LOCATION, location);
    }
    Ok((status, headers, body))
}

/// Reads a session that lives.
#[utoipa::path(
    get, path = "/v1/sessions/{session_id}", tag = "sessions", security(("call_context" = ["sessions:write"])),
    params(("session_id" = SessionId, Path, description = "The session", example = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e")),
    responses(
        (status = 200, description = "The session", body = Session,
            headers(("etag" = String, description = "Its version"))),
        (status = 404, description = "`not-found`: there is none, it has ended, or it is another's", body = Problem),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn get_session(
    State(store): State<Arc<dyn Store>>,
    State(clock): State<Clock>,
    caller: Caller,
    Path(id): Path<SessionId>,
) -> Result<(HeaderMap, Json<Session>), Problem> {
    let sessions = Sessions::of(store.as_ref(), &clock, &caller)?;
    sessions.find(id).await.map(with_etag)
}

/// Changes a session that has not changed since it was read.
#[utoipa::path(
    put, path = "/v1/sessions/{session_id}", tag = "sessions", security(("call_context" = ["sessions:write"])),
    params(
        ("session_id" = SessionId, Path, description = "The session", example = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e"),
        ("If-Match" = String, Header, description = "The ETag of the session as it was read"),
    ),
    request_body(content = ChangeSession, example = json!({"content": {"cart": [{"item": "NW-1001", "quantity": "5"}]},
        "expires_at": "2026-03-02T20:00:00Z"})),
    responses(
        (status = 200, description = "The session as it is now", body = Session,
            headers(("etag" = String, description = "Its version"))),
        (status = 404, description = "`not-found`: there is none, it has ended, or it is another's", body = Problem),
        (status = 412, description = "`precondition-failed`: it has changed since it was read", body = Problem),
        (status = 428, description = "`precondition-required`: without If-Match nothing is changed", body = Problem),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn change_session(
    State(store): State<Arc<dyn Store>>,
    State(clock): State<Clock>,
    caller: Caller,
    Path(id): Path<SessionId>,
    if_match: IfMatch,
    Json(request): Json<ChangeSession>,
) -> Result<(HeaderMap, Json<Session>), Problem> {
    let sessions = Sessions::of(store.as_ref(), &clock, &caller)?;
    sessions.change(id, &if_match, request).await.map(with_etag)
}

/// Finds sessions that live by one of their keys, newest first.
#[utoipa::path(
    get, path = "/v1/sessions", tag = "sessions", security(("call_context" = ["sessions:write"])), params(SessionSearch),
    responses(
        (status = 200, description = "At most 10; none if no session has the key", body = Found),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn find_sessions(
    State(store): State<Arc<dyn Store>>,
    State(clock): State<Clock>,
    caller: Caller,
    Query(search): Query<SessionSearch>,
) -> Result<Json<Found>, Problem> {
    let sessions = Sessions::of(store.as_ref(), &clock, &caller)?;
    sessions.search(search).await.map(Json)
}

fn with_etag(session: Session) -> (HeaderMap, Json<Session>) {
    let mut headers = HeaderMap::new();
    Etag::version(session.version).insert(&mut headers);
    (headers, Json(session))
}
