//! A process-apis of our own: documents as the contract has them, and orders that answer as a test says.

mod documents;
mod orders;

use std::{
    collections::{BTreeMap, VecDeque},
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
    DocumentId, ItemNumber, QuoteId, SessionId,
    basket::BasketCheck,
    document::{Direction, Document, DocumentKind, DocumentState, OwedDocument},
    order::{SalesOrder, SalesOrderRequest},
    product::Product,
    quote::Quote,
    session::{OpenSession, Session, SessionSearch},
};
use serde_json::{Value, json};
use service_runtime::{
    clock::Clock,
    config::Secret,
    context::{CallContext, Caller, ContextKeys, ContextVerifier, LayerIdentity, require_context},
};
use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

use super::{KEY, facts::acme};

/// A call of `POST /v1/orders`.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) key: String,
    pub(crate) context: CallContext,
    pub(crate) request: SalesOrderRequest,
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
    sessions: Vec<(Vec<String>, Session)>,
}

/// The stub.
#[derive(Default)]
pub(crate) struct Stub {
    pub(crate) address: String,
    /// The only channel that calls.
    channel: &'static str,
    memory: Mutex<Memory>,
    /// What the next calls of `POST /v1/orders` answer instead.
    pub(crate) refusals: Mutex<VecDeque<(u16, Value)>>,
    /// The next order is said to have been taken before.
    pub(crate) duplicate: Mutex<bool>,
    /// What had happened to the orders.
    pub(crate) events: Mutex<Vec<Value>>,
    /// What the next calls that give a document its bytes answer instead.
    pub(crate) content_failures: Mutex<VecDeque<u16>>,
    /// Bytes that were sent for documents, kept or not.
    pub(crate) rendered: Mutex<Vec<(DocumentId, Vec<u8>)>>,
    /// For how many seconds documents were put off.
    pub(crate) postponed: Mutex<Vec<u16>>,
    /// How often a document was read whole.
    pub(crate) reads: Mutex<u32>,
    /// Why the partner's system does not take a document.
    pub(crate) reasons: Mutex<Vec<String>>,
    /// Quotes, by id.
    pub(crate) quotes: Mutex<BTreeMap<QuoteId, Quote>>,
    /// Products, by item.
    pub(crate) products: Mutex<BTreeMap<ItemNumber, Product>>,
    /// What would become of any basket; `None` = it is refused.
    pub(crate) check: Mutex<Option<BasketCheck>>,
    /// What the next changes of orders answer instead.
    pub(crate) change_refusals: Mutex<VecDeque<(u16, Value)>>,
    /// Orders are taken one after the other, once there is a permit for each; `None` = at once.
    pub(crate) gate: Mutex<Option<Arc<Semaphore>>>,
    /// An order has arrived.
    pub(crate) arrived: Notify,
    /// There may be work.
    changed: Notify,
    pub(crate) clock: Clock,
}

type Shared = State<Arc<Stub>>;

impl Stub {
    pub(crate) async fn start(clock: Clock, channel: &'static str) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stub = Arc::new(Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            channel,
            clock: clock.clone(),
            ..Self::default()
        });
        let keys = ContextKeys::new(&Secret::from(KEY.to_owned()), None).unwrap();
        let callers = vec![(LayerIdentity::ExperienceApis, keys)];
        let verifier = ContextVerifier::new(LayerIdentity::ProcessApis, callers, clock);
        let router = Router::new()
            .route("/v1/accounts/{account}", get(account))
            .route("/v1/documents", post(documents::store).get(documents::list))
            .route("/v1/documents/leases", post(documents::lease))
            .route("/v1/documents/{id}", get(documents::find))
            .route("/v1/documents/{id}/answer", post(documents::answer))
            .route("/v1/documents/{id}/postpone", post(documents::postpone))
            .route("/v1/documents/{id}/content", put(documents::content))
            .route("/v1/documents/{id}/confirm", post(documents::confirm))
            .route(
                "/v1/documents/{id}/refuse",
                post(documents::refuse_document),
            )
            .route("/v1/orders", post(orders::place).get(orders::orders))
            .route("/v1/orders/{id}", get(orders::order))
            .route("/v1/orders/{id}/cancel", post(orders::cancel))
            .route("/v1/orders/{id}/replace", post(orders::replace))
            .route("/v1/quotes/{id}", get(quote))
            .route("/v1/products/{item}", get(product))
            .route("/v1/basket-checks", post(check))
            .route("/v1/sessions", post(open_session).get(find_sessions))
            .route("/v1/sessions/{id}", get(session))
            .route("/v1/orders/{id}/events", get(orders::events))
            .layer(from_fn_with_state(verifier, require_context))
            .with_state(Arc::clone(&stub));
        tokio::spawn(async move { axum::serve(listener, router).await });
        stub
    }

    pub(crate) fn placed(&self) -> Vec<Placed> {
        self.memory.lock().unwrap().placed.clone()
    }

    pub(crate) fn documents(&self) -> Vec<Document> {
        self.memory
            .lock()
            .unwrap()
            .documents
            .iter()
            .map(|kept| kept.document.clone())
            .collect()
    }

    pub(crate) fn inbound(&self) -> Vec<Document> {
        let mut all = self.documents();
        all.retain(|document| document.direction == Direction::Inbound);
        all
    }

    /// The text of every rendered 855.
    pub(crate) fn answers(&self) -> Vec<String> {
        let all = self
            .documents()
            .into_iter()
            .filter(|document| document.kind == DocumentKind::OrderAcknowledgment);
        all.filter_map(|document| document.content_base64)
            .map(|content| text(&content))
            .collect()
    }

    /// Leases all there is, whoever held it: the clock of a test stands still.
    pub(crate) fn lease_all(&self, direction: Direction) -> Vec<Document> {
        self.let_lapse();
        self.lease(direction, None, usize::MAX)
    }

    /// Leases all that are ready to be sent.
    pub(crate) fn lease_ready(&self) -> Vec<Document> {
        self.let_lapse();
        self.lease(Direction::Outbound, Some(DocumentState::Ready), usize::MAX)
    }

    /// What the sessions keep, in the order in which they were opened.
    pub(crate) fn visits(&self) -> Vec<Value> {
        let memory = self.memory.lock().unwrap();
        memory
            .sessions
            .iter()
            .map(|(_, session)| session.content.clone())
            .collect()
    }

    /// As if no inbound document had been answered.
    pub(crate) fn reopen_inbound(&self) {
        for kept in &mut self.memory.lock().unwrap().documents {
            if kept.document.direction == Direction::Inbound {
                kept.document.state = DocumentState::Received;
                kept.document.outcome = None;
            }
        }
    }

    /// Says of the last document that it takes the place of another.
    pub(crate) fn set_previous(&self, previous: DocumentId) {
        let mut memory = self.memory.lock().unwrap();
        let last = &mut memory.documents.last_mut().unwrap().document;
        last.context.as_mut().unwrap()["previous"] = json!(previous);
    }

    /// Owes the refusal of a change that an inbound document asked for.
    pub(crate) fn owe_change_refused(&self, inbound: DocumentId, purpose: &str, detail: &str) {
        let mut memory = self.memory.lock().unwrap();
        let order = memory.orders.first().unwrap().clone();
        let inbound = memory.find(inbound).unwrap().clone();
        let context = json!({"purpose": purpose, "transaction": "OrderRequest", "order": order,
            "previous": DocumentId::generate(), "detail": detail, "reasons": []});
        let owed = OwedDocument {
            kind: DocumentKind::OrderAcknowledgment,
            context,
        };
        let document = memory.owe(&inbound, owed, None);
        memory.find(document.document_id).unwrap().order_id = Some(order.order_id);
    }

    /// All orders.
    pub(crate) fn orders(&self) -> Vec<SalesOrder> {
        self.memory.lock().unwrap().orders.clone()
    }

    /// Changes the last order.
    pub(crate) fn change_order(&self, change: impl FnOnce(&mut SalesOrder)) {
        change(self.memory.lock().unwrap().orders.last_mut().unwrap());
    }

    /// Every lease ends.
    pub(crate) fn let_lapse(&self) {
        for kept in &mut self.memory.lock().unwrap().documents {
            kept.document.lease = None;
        }
        self.changed.notify_waiters();
    }

    fn lease(
        &self,
        direction: Direction,
        state: Option<DocumentState>,
        limit: usize,
    ) -> Vec<Document> {
        let mut memory = self.memory.lock().unwrap();
        let free = memory.documents.iter_mut().map(|kept| &mut kept.document);
        let free = free.filter(|document| {
            let open = match state {
                Some(state) => document.state == state,
                None => matches!(document.state, DocumentState::Received | DocumentState::Due),
            };
            open && document.direction == direction && document.lease.is_none()
        });
        let leased = free.take(limit).map(|document| {
            document.lease = Some(Uuid::new_v4());
            document.clone()
        });
        leased.collect()
    }

    pub(crate) fn set_partner(&self, id: DocumentId, partner: &str) {
        let mut memory = self.memory.lock().unwrap();
        let kept = memory
            .documents
            .iter_mut()
            .find(|kept| kept.document.document_id == id)
            .unwrap();
        kept.document.partner = partner.to_owned();
    }

    /// Changes what is kept with every interchange.
    pub(crate) fn set_context(&self, change: impl Fn(&mut Value)) {
        for kept in &mut self.memory.lock().unwrap().documents {
            if kept.document.direction == Direction::Inbound {
                change(kept.document.context.as_mut().unwrap());
            }
        }
    }

    /// Owes an acknowledgement for the order as the change leaves it.
    pub(crate) fn owe_order(&self, purpose: &str, change: impl FnOnce(&mut SalesOrder)) {
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
pub(crate) fn text(content: &str) -> String {
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

async fn quote(State(stub): Shared, Path(id): Path<QuoteId>) -> Response {
    let quote = stub.quotes.lock().unwrap().get(&id).cloned();
    quote.map_or_else(not_found, |quote| Json(quote).into_response())
}

async fn product(State(stub): Shared, Path(item): Path<ItemNumber>) -> Response {
    let product = stub.products.lock().unwrap().get(&item).cloned();
    product.map_or_else(not_found, |product| Json(product).into_response())
}

async fn check(State(stub): Shared) -> Response {
    let check = stub.check.lock().unwrap().clone();
    check.map_or_else(
        || refuse(422, problem(422, "validation-failed")),
        |check| Json(check).into_response(),
    )
}

async fn open_session(
    State(stub): Shared,
    caller: Caller,
    Json(request): Json<OpenSession>,
) -> Response {
    assert!(caller.has_scope("sessions:write"));
    let mut memory = stub.memory.lock().unwrap();
    let known = memory
        .sessions
        .iter()
        .find(|(_, known)| known.session_id == request.session_id);
    if let Some((_, known)) = known {
        return Json(known.clone()).into_response();
    }
    let session = Session {
        session_id: request.session_id,
        channel: caller.channel.clone(),
        partner: request.partner,
        account: request.account,
        version: 1,
        content: request.content,
        created_at: stub.clock.now(),
        expires_at: request.expires_at,
    };
    memory.sessions.push((request.keys, session.clone()));
    (StatusCode::CREATED, Json(session)).into_response()
}

async fn session(State(stub): Shared, Path(id): Path<SessionId>) -> Response {
    let memory = stub.memory.lock().unwrap();
    let mut sessions = memory.sessions.iter();
    let found = sessions.find(|(_, session)| session.session_id == id);
    found.map_or_else(not_found, |(_, found)| Json(found).into_response())
}

async fn find_sessions(State(stub): Shared, Query(search): Query<SessionSearch>) -> Response {
    let memory = stub.memory.lock().unwrap();
    let mut found: Vec<Session> = Vec::new();
    for (keys, session) in &memory.sessions {
        if session.partner == search.partner && keys.contains(&search.key) {
            found.insert(0, session.clone());
        }
    }
    Json(json!({ "sessions": found })).into_response()
}
