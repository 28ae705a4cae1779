//! `/v1/documents`.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{DefaultBodyLimit, FromRef, State},
    http::StatusCode,
};
use canonical_model::{
    DocumentId,
    document::{
        AnswerDocument, Direction, Document, DocumentContent, DocumentPage, DocumentSearch,
        DocumentState, LeaseDocuments, LeasedDocuments, PostponeDocument, RefuseDocument,
        StoreDocument, StoredDocument,
    },
};
use service_runtime::{
    clock::Clock,
    context::Caller,
    extract::{Json, Path, Query},
    page::{Page, PageQuery},
    problem::Problem,
    server::Stopping,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{config::DocumentsConfig, service::Documents};
use crate::{
    faults::Faults,
    store::{DocumentFilter, DocumentWork, Store},
};

/// The routes of documents, within these limits.
pub fn router<S>(config: DocumentsConfig) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<dyn Store>: FromRef<S>,
    Clock: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(store_document, list_documents))
        .routes(routes!(lease_documents))
        .routes(routes!(get_document))
        .routes(routes!(answer_document))
        .routes(routes!(postpone_document))
        .routes(routes!(put_document_content))
        .routes(routes!(confirm_document))
        .routes(routes!(refuse_document))
        .layer(DefaultBodyLimit::max(config.body_limit.as_usize()))
        .layer(Extension(config))
}

/// Stores an inbound document.
///
/// It is durable when this answers, and the channel may then acknowledge it. The documents it owes are made due in the
/// same step, each with its control number, and leased to the caller. The same bytes under one of the same duplicate
/// keys are answered with the first document and what it owes; nothing is written.
#[utoipa::path(
    post, path = "/v1/documents", tag = "documents", security(("call_context" = [])),
    request_body(content = StoreDocument, example = json!({"partner": "ACME", "account": "C-1000",
        "content_base64": "SVNBKjAw", "media_type": "application/edi-x12",
        "duplicate_keys": ["isa/ACME/ORDERWAY/000000101"], "work": true,
        "owed": [{"kind": "functional_acknowledgment", "context": {"accepted": true}}]})),
    responses(
        (status = 201, description = "Stored", body = StoredDocument),
        (status = 200, description = "Stored before, with the same bytes", body = StoredDocument),
        (status = 409, description = "Stored before, with other bytes", body = Problem),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn store_document(
    State(store): State<Arc<dyn Store>>,
    State(clock): State<Clock>,
    Extension(config): Extension<DocumentsConfig>,
    caller: Caller,
    Json(request): Json<StoreDocument>,
) -> Result<(StatusCode, Json<StoredDocument>), Problem> {
    let documents = Documents::of(store.as_ref(), &clock, config, &caller)?;
    check_store(&request)?;
    let stored = documents.store(request).await?;
    let status = if stored.repeated {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(stored)))
}

/// Leases documents to work on.
///
/// Inbound: what is not answered yet. Outbound: what is to be rendered, or, where `state` is `ready`, what is to be sent:
/// of one order only the oldest that is neither delivered nor refused. Nobody else is given them until the lease ends.
#[utoipa::path(
    post, path = "/v1/documents/leases", tag = "documents", security(("call_context" = [])),
    request_body(content = LeaseDocuments,
        example = json!({"direction": "outbound", "limit": 10, "seconds": 30, "wait_seconds": 20})),
    responses(
        (status = 200, description = "The leased documents, oldest first; none if there is nothing to do",
            body = LeasedDocuments),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn lease_documents(
    State(store): State<Arc<dyn Store>>,
    State(clock): State<Clock>,
    Extension(config): Extension<DocumentsConfig>,
    caller: Caller,
    stopping: Stopping,
    Json(request): Json<LeaseDocuments>,
) -> Result<Json<LeasedDocuments>, Problem> {
    let documents = Documents::of(store.as_ref(), &clock, config, &caller)?;
    let work = check_lease(&request)?;
    let documents = documents.lease(&request, work, stopping, &clock).await?;
    Ok(Json(LeasedDocuments { documents }))
}

/// Says that everything in an inbound document is answered.
#[utoipa::path(
    post, path = "/v1/documents/{document_id}/answer", tag = "documents", security(("call_context" = [])),
    params(("document_id" = DocumentId, Path, description = "The document", example = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e")),
    request_body(content = AnswerDocument, example = json!({"lease": "3f0a1e9c-7c1b-4a53-9d0f-54c3a2c0a001", "owed": [],
        "outcome": {"status": 200, "text": "OK"}})),
    responses(
        (status = 200, description = "The document, answered", body = Document),
        (status = 409, description = "The lease is no longer the caller's", body = Problem),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn answer_document(
    State(store): State<Arc<dyn Store>>,
    State(clock): State<Clock>,
    Extension(config): Extension<DocumentsConfig>,
    caller: Caller,
    Path(id): Path<DocumentId>,
    Json(request): Json<AnswerDocument>,
) -> Result<Json<Document>, Problem> {
    let documents = Documents::of(store.as_ref(), &clock, config, &caller)?;
    Faults::default()
        .count("/owed", request.owed.len(), 10_000)
        .finish()?;
    documents.answer(id, request).await.map(Json)
}

/// Puts off a document that cannot be carried on, rendered or sent now: nobody is given it before the time is over.
#[utoipa::path(
    post, path = "/v1/documents/{document_id}/postpone", tag = "documents", security(("call_context" = [])),
    params(("document_id" = DocumentId, Path, description = "The document", example = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e")),
    request_body(content = PostponeDocument, example = json!({"lease": "3f0a1e9c-7c1b-4a53-9d0f-54c3a2c0a001", "seconds": 600})),
    responses(
        (status = 200, description = "The document, as it is", body = Document),
        (status = 409, description = "The lease is no longer the caller's", body = Problem),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn postpone_document(
    State(store): State<Arc<dyn Store>>,
    State(clock): State<Clock>,
    Extension(config): Extension<DocumentsConfig>,
    caller: Caller,
    Path(id): Path<DocumentId>,
    Json(request): Json<PostponeDocument>,
) -> Result<Json<Document>, Problem> {
    let documents = Documents::of(store.as_ref(), &clock, config, &caller)?;
    Faults::default()
        .range("/seconds", request.seconds, 1..=3_600)
        .finish()?;
    documents.postpone(id, &request).await.map(Json)
}

/// Gives a due document its bytes: it then waits in the partner's mailbox.
#[utoipa::path(
    put, path = "/v1/documents/{document_id}/content", tag = "documents", security(("call_context" = [])),
    params(("document_id" = DocumentId, Path, description = "The document", example = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e")),
    request_body(content = DocumentContent, example = json!({"lease": "3f0a1e9c-7c1b-4a53-9d0f-54c3a2c0a001",
        "content_base64": "SVNBKjAw", "media_type": "application/edi-x12"})),
    responses(
        (status = 200, description = "The document, ready", body = Document),
        (status = 409, description = "The lease is no longer the caller's", body = Problem),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn put_document_content(
    State(store): State<Arc<dyn Store>>,
    State(clock): State<Clock>,
    Extension(config): Extension<DocumentsConfig>,
    caller: Caller,
    Path(id): Path<DocumentId>,
    Json(request): Json<DocumentContent>,
) -> Result<Json<Document>, Problem> {
    let documents = Documents::of(store.as_ref(), &clock, config, &caller)?;
    Faults::default()
        .text("/media_type", &request.media_type, 100)
        .content(&request.content_base64)
        .finish()?;
    documents.render(id, request).await.map(Json)
}

/// Confirms that the partner has a document.
#[utoipa::path(
    post, path = "/v1/documents/{document_id}/confirm", tag = "documents", security(("call_context" = [])),
    params(("document_id" = DocumentId, Path, description = "The document", example = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e")),
    responses(
        (status = 200, description = "The document, delivered", body = Document),
        (status = 409, description = "It is not in the mailbox", body = Problem),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn confirm_document(
    State(store): State<Arc<dyn Store>>,
    State(clock): State<Clock>,
    Extension(config): Extension<DocumentsConfig>,
    caller: Caller,
    Path(id): Path<DocumentId>,
) -> Result<Json<Document>, Problem> {
    let documents = Documents::of(store.as_ref(), &clock, config, &caller)?;
    documents.confirm(id).await.map(Json)
}

/// Says that the partner's system does not take a document that was sent.
///
/// It is not sent again, and what follows it of the same order is sent; a person has to look.
#[utoipa::path(
    post, path = "/v1/documents/{document_id}/refuse", tag = "documents", security(("call_context" = [])),
    params(("document_id" = DocumentId, Path, description = "The document", example = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e")),
    request_body(content = RefuseDocument, example = json!({"lease": "3f0a1e9c-7c1b-4a53-9d0f-54c3a2c0a001",
        "reason": "cXML status 475: the order is not known"})),
    responses(
        (status = 200, description = "The document, refused, with the reason in `outcome`", body = Document),
        (status = 409, description = "`document-not-ready`: it does not wait to be sent; `lease-lost`: the lease is no \
            longer the caller's", body = Problem),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn refuse_document(
    State(store): State<Arc<dyn Store>>,
    State(clock): State<Clock>,
    Extension(config): Extension<DocumentsConfig>,
    caller: Caller,
    Path(id): Path<DocumentId>,
    Json(request): Json<RefuseDocument>,
) -> Result<Json<Document>, Problem> {
    let documents = Documents::of(store.as_ref(), &clock, config, &caller)?;
    Faults::default()
        .words("/reason", &request.reason, 1_000)
        .finish()?;
    documents.refuse(id, request).await.map(Json)
}

/// Reads a document with its content.
#[utoipa::path(
    get, path = "/v1/documents/{document_id}", tag = "documents", security(("call_context" = [])),
    params(("document_id" = DocumentId, Path, description = "The document", example = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e")),
    responses(
        (status = 200, description = "The document", body = Document),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn get_document(
    State(store): State<Arc<dyn Store>>,
    State(clock): State<Clock>,
    Extension(config): Extension<DocumentsConfig>,
    caller: Caller,
    Path(id): Path<DocumentId>,
) -> Result<Json<Document>, Problem> {
    let documents = Documents::to_read(store.as_ref(), &clock, config, &caller)?;
    documents.find(id).await.map(Json)
}

/// Lists documents of a partner, oldest first: its mailbox is `direction=outbound&state=ready`.
#[utoipa::path(
    get, path = "/v1/documents", tag = "documents", security(("call_context" = [])), params(DocumentSearch),
    responses(
        (status = 200, description = "A page, without content", body = DocumentPage),
        (status = "default", description = "A problem", body = Problem)),
)]
async fn list_documents(
    State(store): State<Arc<dyn Store>>,
    State(clock): State<Clock>,
    Extension(config): Extension<DocumentsConfig>,
    caller: Caller,
    Query(search): Query<DocumentSearch>,
) -> Result<Json<DocumentPage>, Problem> {
    let documents = Documents::to_read(store.as_ref(), &clock, config, &caller)?;
    let asked = PageQuery {
        limit: search.limit.map(u32::from),
        cursor: search.cursor,
    };
    let limit = asked.limit()?;
    let filter = DocumentFilter {
        partner: search.partner,
        state: search.state,
        after: asked.after()?,
        ..documents.filter(
            search.direction,
            u16::try_from(limit.saturating_add(1)).unwrap_or(u16::MAX),
        )
    };
    let found = documents.list(filter).await?;
    let Page { items, next } = Page::from_probe(found, limit, |document| document.document_id)?;
    Ok(Json(DocumentPage { items, next }))
}

fn check_store(request: &StoreDocument) -> Result<(), Problem> {
    let faults = Faults::default()
        .text("/partner", &request.partner, 40)
        .text("/media_type", &request.media_type, 100)
        .content(&request.content_base64)
        .count("/duplicate_keys", request.duplicate_keys.len(), 100)
        .count("/owed", request.owed.len(), 100);
    let keys = request.duplicate_keys.iter().take(100).enumerate();
    keys.fold(faults, |faults, (index, key)| {
        faults.text(&format!("/duplicate_keys/{index}"), key, 200)
    })
    .finish()
}

/// What is to be done with the documents asked for.
fn check_lease(request: &LeaseDocuments) -> Result<DocumentWork, Problem> {
    let work = match (request.direction, request.state) {
        (Direction::Inbound, None | Some(DocumentState::Received)) => Some(DocumentWork::CarryOn),
        (Direction::Outbound, None | Some(DocumentState::Due)) => Some(DocumentWork::Render),
        (Direction::Outbound, Some(DocumentState::Ready)) => Some(DocumentWork::Send),
        _ => None,
    };
    let detail = match request.direction {
        Direction::Inbound => "Send received, or leave it out.",
        Direction::Outbound => "Send due or ready, or leave it out: then it is due.",
    };
    Faults::default()
        .add(work.is_some(), "/state", "invalid-value", detail)
        .range("/limit", request.limit, 1..=100)
        .range("/seconds", request.seconds, 1..=60)
        .range("/wait_seconds", request.wait_seconds, 0..=30)
        .finish()?;
    Ok(work.unwrap_or(DocumentWork::CarryOn))
}
