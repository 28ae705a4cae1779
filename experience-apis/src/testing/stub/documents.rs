//! Documents, as the contract has them.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use canonical_model::{
    DocumentId,
    document::{
        AnswerDocument, Direction, Document, DocumentContent, DocumentKind, DocumentPage,
        DocumentSearch, DocumentState, LeaseDocuments, LeasedDocuments, PostponeDocument,
        RefuseDocument, StoreDocument, StoredDocument,
    },
};
use service_runtime::context::Caller;
use uuid::Uuid;

use super::{Kept, Shared, not_found, problem, refuse};

pub(super) async fn store(
    State(stub): Shared,
    caller: Caller,
    Json(request): Json<StoreDocument>,
) -> Response {
    assert!(caller.has_scope("documents:write") && caller.channel == stub.channel);
    let mut memory = stub.memory.lock().unwrap();
    let known = memory.documents.iter().find(|kept| {
        kept.keys
            .iter()
            .any(|key| request.duplicate_keys.contains(key))
    });
    if let Some(known) = known {
        if known.document.content_base64.as_ref() != Some(&request.content_base64) {
            return refuse(409, problem(409, "duplicate-control-number"));
        }
        let document = Document {
            content_base64: None,
            lease: None,
            ..known.document.clone()
        };
        let owed = memory.documents.iter().map(|kept| &kept.document);
        let owed: Vec<Document> = owed
            .filter(|owed| owed.answers == Some(document.document_id))
            .cloned()
            .collect();
        return Json(StoredDocument {
            document,
            repeated: true,
            owed,
        })
        .into_response();
    }
    let document = Document {
        document_id: DocumentId::generate(),
        channel: caller.channel.clone(),
        partner: request.partner,
        account: request.account,
        direction: Direction::Inbound,
        kind: DocumentKind::Interchange,
        state: if request.work {
            DocumentState::Received
        } else {
            DocumentState::Answered
        },
        control_number: None,
        answers: None,
        order_id: None,
        context: request.context,
        outcome: None,
        created_at: stub.clock.now(),
        media_type: Some(request.media_type),
        content_base64: Some(request.content_base64),
        lease: request.work.then(Uuid::new_v4),
    };
    memory.documents.push(Kept {
        document: document.clone(),
        keys: request.duplicate_keys,
    });
    let lease = Some(Uuid::new_v4());
    let owed = request
        .owed
        .into_iter()
        .map(|owed| memory.owe(&document, owed, lease))
        .collect();
    let document = Document {
        content_base64: None,
        ..document
    };
    (
        StatusCode::CREATED,
        Json(StoredDocument {
            document,
            repeated: false,
            owed,
        }),
    )
        .into_response()
}

pub(super) async fn lease(
    State(stub): Shared,
    caller: Caller,
    Json(request): Json<LeaseDocuments>,
) -> Response {
    assert_eq!(caller.principal, stub.channel);
    loop {
        let changed = stub.changed.notified();
        let documents = stub.lease(request.direction, request.state, request.limit.into());
        if !documents.is_empty() {
            return Json(LeasedDocuments { documents }).into_response();
        }
        changed.await;
    }
}

pub(super) async fn find(State(stub): Shared, Path(id): Path<DocumentId>) -> Response {
    *stub.reads.lock().unwrap() += 1;
    let found = stub.memory.lock().unwrap().find(id).cloned();
    found.map_or_else(not_found, |found| Json(found).into_response())
}

pub(super) async fn list(State(stub): Shared, Query(search): Query<DocumentSearch>) -> Response {
    let all = stub.documents().into_iter().filter(|document| {
        document.partner == search.partner
            && document.direction == search.direction
            && search.state.is_none_or(|state| state == document.state)
    });
    let after = search.cursor.unwrap_or_default();
    let mut items: Vec<Document> = all
        .filter(|document| document.document_id.to_string() > after)
        .collect();
    let limit = usize::from(search.limit.unwrap_or(50));
    let next = (items.len() > limit).then(|| items[limit - 1].document_id.to_string());
    items.truncate(limit);
    for item in &mut items {
        item.content_base64 = None;
    }
    Json(DocumentPage { items, next }).into_response()
}

pub(super) async fn answer(
    State(stub): Shared,
    Path(id): Path<DocumentId>,
    Json(request): Json<AnswerDocument>,
) -> Response {
    let mut memory = stub.memory.lock().unwrap();
    let Some(document) = memory.find(id) else {
        return not_found();
    };
    if document.lease != Some(request.lease) {
        return refuse(409, problem(409, "lease-lost"));
    }
    document.state = DocumentState::Answered;
    document.outcome = request.outcome;
    let document = document.clone();
    for owed in request.owed {
        memory.owe(&document, owed, None);
    }
    Json(document).into_response()
}

pub(super) async fn postpone(
    State(stub): Shared,
    caller: Caller,
    Path(id): Path<DocumentId>,
    Json(request): Json<PostponeDocument>,
) -> Response {
    assert!(caller.has_scope("documents:write") && caller.may_see("ACME"));
    let mut memory = stub.memory.lock().unwrap();
    let document = memory.find(id).unwrap();
    assert_eq!(document.lease, Some(request.lease));
    stub.postponed.lock().unwrap().push(request.seconds);
    Json(document.clone()).into_response()
}

pub(super) async fn content(
    State(stub): Shared,
    Path(id): Path<DocumentId>,
    Json(request): Json<DocumentContent>,
) -> Response {
    let bytes = STANDARD.decode(&request.content_base64).unwrap();
    stub.rendered.lock().unwrap().push((id, bytes));
    if let Some(status) = stub.content_failures.lock().unwrap().pop_front() {
        return refuse(status, problem(status, "backend-unavailable"));
    }
    let mut memory = stub.memory.lock().unwrap();
    let Some(document) = memory.find(id) else {
        return not_found();
    };
    if document.lease != Some(request.lease) {
        return refuse(409, problem(409, "lease-lost"));
    }
    document.state = DocumentState::Ready;
    document.content_base64 = Some(request.content_base64);
    document.media_type = Some(request.media_type);
    Json(document.clone()).into_response()
}

pub(super) async fn confirm(State(stub): Shared, Path(id): Path<DocumentId>) -> Response {
    let mut memory = stub.memory.lock().unwrap();
    let Some(document) = memory.find(id) else {
        return not_found();
    };
    document.state = DocumentState::Delivered;
    Json(document.clone()).into_response()
}

pub(super) async fn refuse_document(
    State(stub): Shared,
    Path(id): Path<DocumentId>,
    Json(request): Json<RefuseDocument>,
) -> Response {
    let mut memory = stub.memory.lock().unwrap();
    let document = memory.find(id).unwrap();
    assert_eq!(document.lease, Some(request.lease));
    document.state = DocumentState::Refused;
    stub.reasons.lock().unwrap().push(request.reason);
    Json(document.clone()).into_response()
}
