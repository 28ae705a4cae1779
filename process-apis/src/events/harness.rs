//! For tests of routes that need a store and a clock only: sends requests as known callers.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::FromRef,
    http::{HeaderMap, Request, StatusCode, header},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use service_runtime::{
    clock::{Clock, ClockHandle},
    context::{AccountScope, CallContext, Caller, LayerIdentity},
};
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;

use super::published::Teller;
use crate::store::{Cause, Commit, Store, sqlite::SqliteStore};

/// What these routes need of the state.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) store: Arc<dyn Store>,
    teller: Teller,
    clock: Clock,
}

impl FromRef<State> for Teller {
    fn from_ref(state: &State) -> Self {
        state.teller.clone()
    }
}

impl FromRef<State> for Arc<dyn Store> {
    fn from_ref(state: &State) -> Self {
        Arc::clone(&state.store)
    }
}

impl FromRef<State> for Clock {
    fn from_ref(state: &State) -> Self {
        state.clock.clone()
    }
}

/// A store, a clock, and the routes over them.
pub(crate) struct Harness {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) time: ClockHandle,
    app: Router,
}

impl Harness {
    pub(crate) fn new(routes: OpenApiRouter<State>) -> Self {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open_in_memory().unwrap());
        let (clock, time) = Clock::fixed(noon());
        let (app, _openapi) = routes
            .with_state(State {
                store: Arc::clone(&store),
                teller: Teller::new(Arc::clone(&store)),
                clock,
            })
            .split_for_parts();
        Self { store, time, app }
    }

    pub(crate) async fn get(&self, caller: &CallContext, path: &str) -> (StatusCode, Value) {
        self.send("GET", caller, path, Value::Null).await
    }

    pub(crate) async fn post(
        &self,
        caller: &CallContext,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        self.send("POST", caller, path, body).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        caller: &CallContext,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let (status, _, body) = self.send_if(method, caller, path, None, body).await;
        (status, body)
    }

    /// Sends with `If-Match`, and answers the headers too.
    pub(crate) async fn send_if(
        &self,
        method: &str,
        caller: &CallContext,
        path: &str,
        if_match: Option<&str>,
        body: Value,
    ) -> (StatusCode, HeaderMap, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(if_match) = if_match {
            request = request.header(header::IF_MATCH, if_match);
        }
        let request = request
            .extension(Caller::authenticated(caller.clone()))
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        (status, headers, body)
    }
}

pub(crate) fn noon() -> Timestamp {
    "2026-03-02T12:00:00Z".parse().unwrap()
}

/// A caller of company US01, of the EDI channel.
pub(crate) fn caller(scopes: &[&str], accounts: AccountScope) -> CallContext {
    CallContext {
        principal: "someone".to_owned(),
        accounts,
        company: Some("US01".to_owned()),
        channel: "edi".to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        correlation_id: "c-1".to_owned(),
        deadline: noon(),
        remaining_ms: 10_000,
        layer: LayerIdentity::ExperienceApis,
    }
}

/// A caller of these accounts only.
pub(crate) fn buyer(scopes: &[&str], accounts: &[&str]) -> CallContext {
    let accounts = accounts
        .iter()
        .map(|account| (*account).to_owned())
        .collect();
    caller(scopes, AccountScope::List(accounts))
}

/// A commit that says its cause and nothing else.
pub(crate) fn commit(company: &str) -> Commit {
    let cause = Cause {
        company: company.parse().unwrap(),
        at: noon(),
        principal: "someone".to_owned(),
        channel: "portal".to_owned(),
        correlation_id: "c-1".to_owned(),
        traceparent: String::new(),
    };
    Commit {
        cause: Some(cause),
        ..Commit::default()
    }
}

/// An event of an order, with the order's state.
pub(crate) fn order_event(
    account: &str,
    order: uuid::Uuid,
    event_type: &'static str,
) -> crate::store::StreamChange {
    use crate::store::{NewEvent, OrderRow, StateRow, StreamChange, StreamKind, Written};
    StreamChange {
        kind: StreamKind::Order,
        id: order,
        expected_version: 0,
        account: account.parse().unwrap(),
        events: vec![NewEvent {
            event_type,
            type_version: 1,
            data: Written::of(&json!({})).unwrap(),
        }],
        row: StateRow::Order(OrderRow {
            state: Written::of(&json!({})).unwrap(),
            reference: canonical_model::OrderReference::of(canonical_model::OrderId(order)),
            purchase_order_number: order.to_string().parse().unwrap(),
            release_number: None,
            holds_purchase_order: true,
            status: canonical_model::order::OrderStatus::Received,
            holds: Vec::new(),
        }),
    }
}
