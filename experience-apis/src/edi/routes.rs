//! The channel's operations: interchanges in, and the mailbox.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use canonical_model::{
    DocumentId,
    document::{Direction, Document, DocumentSearch},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::SignedDuration;
use service_runtime::{
    extract::{Json, Path, Query},
    problem::{FieldError, Problem, codes as generic},
    trace::RequestScope,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    CHANNEL, MEDIA_TYPE,
    auth::Partner,
    context,
    error::NOT_AN_INTERCHANGE,
    failure::Failure,
    profile::Profile,
    receive::{self, Received, decode, split},
    shape::{MailboxEntry, MailboxPage, MailboxSearch, MailboxState, Taken},
};
use crate::{
    body::{self, Unread},
    state::AppState,
};

/// How long a file waits for its place among those that are read.
const UPLOAD_WAIT: Duration = Duration::from_secs(10);
const DOCUMENT: HeaderName = HeaderName::from_static("orderway-document");
const REPEATED: HeaderName = HeaderName::from_static("orderway-repeated");
const TEST: HeaderName = HeaderName::from_static("orderway-test");
const STRAY: HeaderName = HeaderName::from_static("orderway-stray");

/// The address of a document; whose it is says [`Partner`].
#[derive(serde::Deserialize)]
struct Place {
    document_id: DocumentId,
}

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(receive_interchanges))
        .routes(routes!(list_mailbox))
        .routes(routes!(fetch_document))
        .routes(routes!(confirm_document))
}

/// Receives X12 interchanges.
///
/// The answer is their acknowledgements: a 997 for each, with a TA1 where one is asked for or the envelope is wrong. It
/// means that the bytes are stored and that accepted purchase orders will be answered by an 855 in the mailbox. The
/// same interchange again gets the first acknowledgement again, and nothing else happens.
#[utoipa::path(post, path = "/edi/v1/{partner}/interchanges", tag = "edi", security(("basic" = [])),
    params(("partner" = String, Path, description = "Your partner id", example = "acme-edi")),
    request_body(content = String, content_type = "application/edi-x12", description = "One or more interchanges, ISA to IEA; application/octet-stream and text/plain are taken too"),
    responses(
        (status = 200, description = "The acknowledgements, as X12", body = String, content_type = "application/edi-x12",
            headers(("Orderway-Document" = String, description = "The stored documents, one for each interchange"),
                ("Orderway-Repeated" = Option<String>, description = "`true`: received before"),
                ("Orderway-Test" = Option<String>, description = "`true`: a test interchange, acknowledged and not booked"),
                ("Orderway-Stray" = Option<String>, description = "How many places in the file were no interchange"))),
        (status = 202, description = "Stored; no acknowledgement is due, as for your own 997", body = Taken),
        (status = 400, description = "`not-an-interchange`: there is no ISA", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not-found`: another partner's address", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`payload-too-large`", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported-media-type`", body = Problem, content_type = "application/problem+json")))]
async fn receive_interchanges(
    State(state): State<AppState>,
    Partner(profile): Partner,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    check_media_type(&headers)?;
    // Nothing of the body is read while it waits for its place.
    let place = Arc::clone(&state.edi.uploads).acquire_owned();
    let Ok(Ok(upload)) = tokio::time::timeout(UPLOAD_WAIT, place).await else {
        let problem = Problem::new(
            generic::OVERLOADED,
            "Too many files are being read; send it again in a moment.",
        );
        return Err(problem.with_retry_after(SignedDuration::from_secs(2)));
    };
    let limit = state.config.edi.max_body.as_usize();
    let bytes = read_body(&headers, body, limit).await?;
    // In a task of its own: a partner that hangs up after sending loses nothing. The file counts until it is dealt with.
    let work = async move {
        let received = receive_all(state, profile, bytes).await;
        drop(upload);
        received
    };
    let task = match RequestScope::current() {
        Some(scope) => tokio::spawn(Arc::new(scope.detached()).run(work)),
        None => tokio::spawn(work),
    };
    let (received, stray) = task.await.map_err(|error| Problem::internal(&error))??;
    Ok(answer(&received, stray))
}

async fn receive_all(
    state: AppState,
    profile: Arc<Profile>,
    bytes: Bytes,
) -> Result<(Vec<Received>, usize), Problem> {
    let (file, options) = (bytes.clone(), state.edi.read_options(&profile));
    let splitting = tokio::task::spawn_blocking(move || split(&file, &options));
    let (ranges, stray) = splitting.await.map_err(Failure::Task)?;
    if ranges.is_empty() {
        let detail = "The body holds no X12 interchange: send bytes that begin with ISA, unchanged by any conversion.";
        return Err(Problem::new(NOT_AN_INTERCHANGE, detail));
    }
    if stray > 0 {
        tracing::warn!(
            partner = profile.id,
            places = stray,
            "bytes outside any interchange were passed over"
        );
    }
    let mut received = Vec::with_capacity(ranges.len());
    for range in ranges {
        received.push(receive::receive(&state, &profile, bytes.slice(range)).await?);
    }
    Ok((received, stray))
}

fn answer(received: &[Received], stray: usize) -> Response {
    let documents: Vec<String> = received
        .iter()
        .map(|one| one.document_id.to_string())
        .collect();
    let content: Vec<u8> = received
        .iter()
        .filter_map(|one| one.acknowledgment.as_deref())
        .flatten()
        .copied()
        .collect();
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&documents.join(", ")) {
        headers.insert(DOCUMENT, value);
    }
    if received.iter().all(|one| one.repeated) {
        headers.insert(REPEATED, HeaderValue::from_static("true"));
    }
    if received.iter().any(|one| one.test) {
        headers.insert(TEST, HeaderValue::from_static("true"));
    }
    if stray > 0 {
        headers.insert(STRAY, HeaderValue::from(stray));
    }
    if content.is_empty() {
        let documents = received.iter().map(|one| one.document_id).collect();
        let note = "Stored. No acknowledgement is due.".to_owned();
        return (
            StatusCode::ACCEPTED,
            headers,
            Json(Taken { documents, note }),
        )
            .into_response();
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    (StatusCode::OK, headers, content).into_response()
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or(MEDIA_TYPE);
    let essence = given
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let taken = [
        "application/edi-x12",
        "application/x12",
        "application/octet-stream",
        "text/plain",
    ];
    if taken.contains(&essence.as_str()) {
        return Ok(());
    }
    let detail = "Send the interchange itself as application/edi-x12, application/octet-stream or text/plain.";
    Err(Problem::new(generic::UNSUPPORTED_MEDIA_TYPE, detail))
}

async fn read_body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Problem> {
    body::read(headers, body, limit)
        .await
        .map_err(|unread| match unread {
            Unread::TooLarge => {
                let detail =
                    format!("A file may have {limit} bytes; send fewer interchanges in one.");
                Problem::new(generic::PAYLOAD_TOO_LARGE, detail)
            }
            Unread::Problem(problem) => problem,
        })
}

/// Lists what waits for you, oldest first.
#[utoipa::path(get, path = "/edi/v1/{partner}/mailbox", tag = "edi", security(("basic" = [])),
    params(("partner" = String, Path, description = "Your partner id", example = "acme-edi"), MailboxSearch),
    responses((status = 200, description = "A page", body = MailboxPage),
        (status = 401, description = "`unauthenticated`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not-found`: another partner's address", body = Problem, content_type = "application/problem+json")))]
async fn list_mailbox(
    State(state): State<AppState>,
    Partner(profile): Partner,
    Query(search): Query<MailboxSearch>,
) -> Result<Json<MailboxPage>, Problem> {
    if search
        .limit
        .is_some_and(|limit| !(1..=200).contains(&limit))
    {
        let fault = FieldError::new("?limit", "out-of-range", "Send a number from 1 to 200.");
        return Err(
            Problem::invalid_request("Correct the query parameter named in `errors`.")
                .with_error(fault),
        );
    }
    let search = DocumentSearch {
        partner: profile.id.clone(),
        direction: Direction::Outbound,
        state: Some(search.state.unwrap_or(MailboxState::Ready).into()),
        cursor: search.cursor,
        limit: search.limit,
    };
    let page = state
        .process
        .documents(&context::of_partner(&profile), &search)
        .await?;
    let items = page
        .items
        .iter()
        .filter(|document| is_own(&profile, document))
        .filter_map(MailboxEntry::of);
    Ok(Json(MailboxPage {
        items: items.collect(),
        next: page.next,
    }))
}

/// Fetches a document, as X12. It stays in the mailbox until you confirm it.
#[utoipa::path(get, path = "/edi/v1/{partner}/mailbox/{document_id}", tag = "edi", security(("basic" = [])),
    params(("partner" = String, Path, description = "Your partner id", example = "acme-edi"),
        ("document_id" = uuid::Uuid, Path, description = "The document", example = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e")),
    responses((status = 200, description = "The interchange, the same bytes every time", body = String, content_type = "application/edi-x12"),
        (status = 401, description = "`unauthenticated`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not-found`", body = Problem, content_type = "application/problem+json")))]
async fn fetch_document(
    State(state): State<AppState>,
    Partner(profile): Partner,
    Path(place): Path<Place>,
) -> Result<Response, Problem> {
    let (document, _) = find(&state, &profile, place.document_id).await?;
    let content = document
        .content_base64
        .as_deref()
        .ok_or(Failure::NoContent(None))?;
    let headers = [
        (header::CONTENT_TYPE, MEDIA_TYPE.to_owned()),
        (DOCUMENT, document.document_id.to_string()),
    ];
    Ok((headers, decode(content)?).into_response())
}

/// Confirms that you have a document: it leaves the list of what waits. Confirming it again changes nothing.
#[utoipa::path(post, path = "/edi/v1/{partner}/mailbox/{document_id}/confirm", tag = "edi", security(("basic" = [])),
    params(("partner" = String, Path, description = "Your partner id", example = "acme-edi"),
        ("document_id" = uuid::Uuid, Path, description = "The document", example = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e")),
    responses((status = 200, description = "The document, delivered", body = MailboxEntry),
        (status = 401, description = "`unauthenticated`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not-found`", body = Problem, content_type = "application/problem+json")))]
async fn confirm_document(
    State(state): State<AppState>,
    Partner(profile): Partner,
    Path(place): Path<Place>,
) -> Result<Json<MailboxEntry>, Problem> {
    find(&state, &profile, place.document_id).await?;
    let confirmed = state
        .process
        .confirm_document(&context::of_partner(&profile), place.document_id)
        .await?;
    MailboxEntry::of(&confirmed)
        .map(Json)
        .ok_or_else(Problem::not_found)
}

/// A document of the partner's mailbox. Another's, one that came in, and one that is not there are the same answer.
async fn find(
    state: &AppState,
    profile: &Profile,
    id: DocumentId,
) -> Result<(Document, MailboxEntry), Problem> {
    let document = state
        .process
        .document(&context::of_partner(profile), id)
        .await?;
    let entry = MailboxEntry::of(&document).filter(|_| is_own(profile, &document));
    entry
        .map(|entry| (document, entry))
        .ok_or_else(Problem::not_found)
}

fn is_own(profile: &Profile, document: &Document) -> bool {
    document.partner == profile.id
        && document.channel == CHANNEL
        && document.direction == Direction::Outbound
}
