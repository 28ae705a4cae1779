//! A process-apis of our own: documents as the contract has them, and orders that answer as a test says.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use canonical_model::{
    DocumentId, OrderId,
    document::{
        AnswerDocument, Direction, Document, DocumentContent, DocumentKind, DocumentPage,
        DocumentSearch, DocumentState, LeaseDocuments, LeasedDocuments, OwedDocument,
        PostponeDocument, StoreDocument, StoredDocument,
    },
    order::{OrderStatus, SalesOrder, SalesOrderAccepted, SalesOrderRequest},
};
use serde_json::{Value, json};
use service_runtime::{
    clock::Clock,
    config::Secret,
    context::{CallContext, Caller, ContextKeys, ContextVerifier, LayerIdentity, require_context},
};
use uuid::Uuid;

use super::facts::{acme, taken};

/// A call of `POST /v1/orders`.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) key: String,
    pub(super) context: CallContext,
    pub(super) request: SalesOrderRequest,
}

#[derive(Debug)]
struct Kept {
    document: Document,
    keys: Vec<String>,
}

#[derive(Default)]
struct Memory {
    documents: Vec<Kept>,
    placed: Vec<Placed>,
    orders: Vec<SalesOrder>,
    numbers: u64,
}

/// The stub.
pub(super) struct Stub {
    pub(super) address: String,
    memory: Mutex<Memory>,
    /// What the next calls of `POST /v1/orders` answer instead.
    pub(super) refusals: Mutex<VecDeque<(u16, Value)>>,
    /// The next order is said to have been taken before.
    pub(super) duplicate: Mutex<bool>,
    /// What had happened to the orders.
    pub(super) events: Mutex<Vec<Value>>,
    /// What the next calls that give a document its bytes answer instead.
    pub(super) content_failures: Mutex<VecDeque<u16>>,
    /// Bytes that were sent for documents, kept or not.
    pub(super) rendered: Mutex<Vec<(DocumentId, Vec<u8>)>>,
    /// For how many seconds documents were put off.
    pub(super) postponed: Mutex<Vec<u16>>,
    /// How often a document was read whole.
    pub(super) reads: Mutex<u32>,
    pub(super) clock: Clock,
}

type Shared = State<Arc<Stub>>;

impl Stub {
    pub(super) async fn start(clock: Clock) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stub = Arc::new(Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            memory: Mutex::default(),
            refusals: Mutex::default(),
            duplicate: Mutex::default(),
            events: Mutex::default(),
            content_failures: Mutex::default(),
            rendered: Mutex::default(),
            postponed: Mutex::default(),
            reads: Mutex::default(),
            clock: clock.clone(),
        });
        let keys = ContextKeys::new(&Secret::from(super::KEY.to_owned()), None).unwrap();
        let callers = vec![(LayerIdentity::ExperienceApis, keys)];
        let verifier = ContextVerifier::new(LayerIdentity::ProcessApis, callers, clock);
        let router = Router::new()
            .route("/v1/accounts/{account}", get(account))
            .route("/v1/documents", post(store).get(list))
            .route("/v1/documents/leases", post(lease))
            .route("/v1/documents/{id}", get(find))
            .route("/v1/documents/{id}/answer", post(answer))
            .route("/v1/documents/{id}/postpone", post(postpone))
            .route("/v1/documents/{id}/content", put(content))
            .route("/v1/documents/{id}/confirm", post(confirm))
            .route("/v1/orders", post(place))
            .route("/v1/orders/{id}", get(order))
            .route("/v1/orders/{id}/events", get(events))
            .layer(from_fn_with_state(verifier, require_context))
            .with_state(Arc::clone(&stub));
        tokio::spawn(async move { axum::serve(listener, router).await });
        stub
    }

    pub(super) fn placed(&self) -> Vec<Placed> {
        self.memory.lock().unwrap().placed.clone()
    }

    pub(super) fn documents(&self) -> Vec<Document> {
        self.memory
            .lock()
            .unwrap()
            .documents
            .iter()
            .map(|kept| kept.document.clone())
            .collect()
    }

    pub(super) fn inbound(&self) -> Vec<Document> {
        let mut all = self.documents();
        all.retain(|document| document.direction == Direction::Inbound);
        all
    }

    /// The text of every rendered 855.
    pub(super) fn answers(&self) -> Vec<String> {
        let all = self
            .documents()
            .into_iter()
            .filter(|document| document.kind == DocumentKind::OrderAcknowledgment);
        all.filter_map(|document| document.content_base64)
            .map(|content| text(&content))
            .collect()
    }

    /// Leases all there is, whoever held it: the clock of a test stands still.
    pub(super) fn lease_all(&self, direction: Direction) -> Vec<Document> {
        self.let_lapse();
        self.lease(direction, usize::MAX)
    }

    /// Every lease ends.
    pub(super) fn let_lapse(&self) {
        for kept in &mut self.memory.lock().unwrap().documents {
            kept.document.lease = None;
        }
    }

    fn lease(&self, direction: Direction, limit: usize) -> Vec<Document> {
        let mut memory = self.memory.lock().unwrap();
        let free = memory.documents.iter_mut().map(|kept| &mut kept.document);
        let free = free.filter(|document| {
            let open = matches!(document.state, DocumentState::Received | DocumentState::Due);
            open && document.direction == direction && document.lease.is_none()
        });
        let leased = free.take(limit).map(|document| {
            document.lease = Some(Uuid::new_v4());
            document.clone()
        });
        leased.collect()
    }

    pub(super) fn set_partner(&self, id: DocumentId, partner: &str) {
        let mut memory = self.memory.lock().unwrap();
        let kept = memory
            .documents
            .iter_mut()
            .find(|kept| kept.document.document_id == id)
            .unwrap();
        kept.document.partner = partner.to_owned();
    }

    /// Changes what is kept with every interchange.
    pub(super) fn set_context(&self, change: impl Fn(&mut Value)) {
        for kept in &mut self.memory.lock().unwrap().documents {
            if kept.document.direction == Direction::Inbound {
                change(kept.document.context.as_mut().unwrap());
            }
        }
    }

    /// Owes an acknowledgement for the order as the change leaves it.
    pub(super) fn owe_order(&self, purpose: &str, change: impl FnOnce(&mut SalesOrder)) {
        let mut memory = self.memory.lock().unwrap();
        let mut order = memory.orders.last().unwrap().clone();
        change(&mut order);
        let source = order.document.clone().unwrap();
        let inbound = memory
            .documents
            .iter()
            .find(|kept| kept.document.document_id == source.document_id);
        let inbound = inbound.unwrap().document.clone();
        let context =
            json!({"purpose": purpose, "transaction": source.transaction, "order": order});
        let owed = OwedDocument {
            kind: DocumentKind::OrderAcknowledgment,
            context,
        };
        let document = memory.owe(&inbound, owed, None);
        let kept = memory
            .documents
            .iter_mut()
            .find(|kept| kept.document.document_id == document.document_id);
        kept.unwrap().document.order_id = Some(order.order_id);
    }
}

/// The text of a document's bytes.
pub(super) fn text(content: &str) -> String {
    String::from_utf8(STANDARD.decode(content).unwrap()).unwrap()
}

impl Memory {
    fn owe(&mut self, inbound: &Document, owed: OwedDocument, lease: Option<Uuid>) -> Document {
        self.numbers += 1;
        let document = Document {
            document_id: DocumentId::generate(),
            direction: Direction::Outbound,
            kind: owed.kind,
            state: DocumentState::Due,
            control_number: Some(self.numbers),
            answers: Some(inbound.document_id),
            context: Some(owed.context),
            media_type: None,
            content_base64: None,
            lease,
            ..inbound.clone()
        };
        self.documents.push(Kept {
            document: document.clone(),
            keys: Vec::new(),
        });
        document
    }

    fn find(&mut self, id: DocumentId) -> Option<&mut Document> {
        let kept = self
            .documents
            .iter_mut()
            .find(|kept| kept.document.document_id == id);
        kept.map(|kept| &mut kept.document)
    }
}

fn problem(status: u16, code: &str) -> Value {
    json!({"type": format!("/errors/{code}"), "title": code, "status": status, "code": code,
        "retryable": status >= 500, "detail": format!("The answer is {code}.")})
}

fn refuse(status: u16, body: Value) -> Response {
    let headers = [("content-type", "application/problem+json")];
    (
        StatusCode::from_u16(status).unwrap(),
        headers,
        body.to_string(),
    )
        .into_response()
}

fn not_found() -> Response {
    refuse(404, problem(404, "not-found"))
}

async fn account(caller: Caller, Path(account): Path<String>) -> Response {
    if account == "ACME" && caller.may_see(&account) {
        Json(acme()).into_response()
    } else {
        not_found()
    }
}

async fn store(
    State(stub): Shared,
    caller: Caller,
    Json(request): Json<StoreDocument>,
) -> Response {
    assert!(caller.has_scope("documents:write") && caller.channel == "edi");
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

async fn lease(
    State(stub): Shared,
    caller: Caller,
    Json(request): Json<LeaseDocuments>,
) -> Response {
    assert_eq!(caller.principal, "edi");
    let documents = stub.lease(request.direction, request.limit.into());
    if documents.is_empty() {
        // As long as a test lasts, nothing comes.
        std::future::pending::<()>().await;
    }
    Json(LeasedDocuments { documents }).into_response()
}

async fn find(State(stub): Shared, Path(id): Path<DocumentId>) -> Response {
    *stub.reads.lock().unwrap() += 1;
    let found = stub.memory.lock().unwrap().find(id).cloned();
    found.map_or_else(not_found, |found| Json(found).into_response())
}

async fn list(State(stub): Shared, Query(search): Query<DocumentSearch>) -> Response {
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

async fn answer(
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
    let document = document.clone();
    for owed in request.owed {
        memory.owe(&document, owed, None);
    }
    Json(document).into_response()
}

async fn postpone(
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

async fn content(
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

async fn confirm(State(stub): Shared, Path(id): Path<DocumentId>) -> Response {
    let mut memory = stub.memory.lock().unwrap();
    let Some(document) = memory.find(id) else {
        return not_found();
    };
    document.state = DocumentState::Delivered;
    Json(document.clone()).into_response()
}

async fn order(State(stub): Shared, Path(id): Path<OrderId>) -> Response {
    let memory = stub.memory.lock().unwrap();
    let found = memory.orders.iter().find(|order| order.order_id == id);
    found.map_or_else(not_found, |found| Json(found).into_response())
}

async fn events(State(stub): Shared) -> Response {
    Json(json!({"events": *stub.events.lock().unwrap(), "next": 9})).into_response()
}

async fn place(
    State(stub): Shared,
    caller: Caller,
    headers: http::HeaderMap,
    Json(request): Json<SalesOrderRequest>,
) -> Response {
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    {
        let mut memory = stub.memory.lock().unwrap();
        memory.placed.push(Placed {
            key,
            context: caller.into_inner(),
            request: request.clone(),
        });
    }
    if let Some((status, body)) = stub.refusals.lock().unwrap().pop_front() {
        return refuse(status, body);
    }
    let order = taken(&request);
    let answer = SalesOrderAccepted {
        order_id: order.order_id,
        order_reference: order.order_reference.clone(),
        status: OrderStatus::Received,
        version: 1,
        holds: Vec::new(),
        total: order.total,
    };
    stub.memory.lock().unwrap().orders.push(order);
    if std::mem::take(&mut *stub.duplicate.lock().unwrap()) {
        return (
            StatusCode::ACCEPTED,
            [("orderway-duplicate", "true")],
            Json(answer),
        )
            .into_response();
    }
    (StatusCode::ACCEPTED, Json(answer)).into_response()
}
