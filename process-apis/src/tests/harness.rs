//! The layer for tests: routes, store, worker, an ERP, and a clock that stands until it is moved.

use std::{path::Path, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request},
};
use canonical_model::capabilities::CreateClass;
use jiff::SignedDuration;
use serde_json::{Value, json};
use service_runtime::{
    clock::ClockHandle,
    config::{Environment, HumanDuration, load},
    context::{AccountScope, CallContext, Caller},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::erp::Erp;
use crate::{
    LAYER,
    baskets::testing::{Seller, call_for},
    config::Config,
    effects::worker::Worker,
    events, exceptions, orders,
    policy::Policies,
    promise,
    state::AppState,
    store::Store,
};

const SCOPES: [&str; 5] = [
    "orders:read",
    "orders:write",
    "holds:read",
    "holds:release",
    "holds:release:credit",
];

pub(super) struct Layer {
    pub(super) app: Router,
    pub(super) erp: Arc<Erp>,
    pub(super) state: AppState,
    pub(super) clock: ClockHandle,
    stop: CancellationToken,
}

impl Drop for Layer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A buyer of these accounts that may do nothing but order.
pub(super) fn buyer(accounts: &[&str]) -> CallContext {
    let scopes = vec!["orders:read".to_owned(), "orders:write".to_owned()];
    CallContext {
        scopes,
        ..call_for(accounts).context
    }
}

/// A person of the seller.
pub(super) fn clerk() -> CallContext {
    let scopes = SCOPES.map(str::to_owned).to_vec();
    CallContext {
        principal: "clerk".to_owned(),
        scopes,
        accounts: AccountScope::All,
        ..call_for(&[]).context
    }
}

/// An order for account A.
pub(super) fn order(number: &str, item: &str, quantity: &str) -> Value {
    json!({
        "account": "A",
        "purchase_order_number": number,
        "lines": [{
            "identifiers": [{"scheme": "seller_part_number", "value": item}],
            "quantity": quantity,
        }],
    })
}

#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Reply {
    pub(super) fn id(&self) -> String {
        self.body["order_id"]
            .as_str()
            .unwrap_or_else(|| panic!("{self:?}"))
            .to_owned()
    }

    pub(super) fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }
}

impl Layer {
    /// With a worker that runs.
    pub(super) fn new(class: CreateClass) -> Self {
        let layer = Self::without_worker(class);
        layer.start_worker();
        layer
    }

    /// A worker, as a process that is started anew has it.
    pub(super) fn start_worker(&self) {
        tokio::spawn(Worker::new(&self.state).run(self.stop.clone()));
    }

    /// Its worker is gone.
    pub(super) fn die(&self) {
        self.stop.cancel();
    }

    pub(super) fn without_worker(class: CreateClass) -> Self {
        Self::by_policies(class, |_policies| {})
    }

    /// Without a worker, by other rules.
    pub(super) fn by_policies(class: CreateClass, change: impl FnOnce(&mut Policies)) -> Self {
        Self::put_together(Seller::open(), class, change)
    }

    /// Without a worker, over a store of its own.
    pub(super) fn over(store: Arc<dyn Store>, class: CreateClass) -> Self {
        let mut seller = Seller::open();
        seller.sources.store = store;
        Self::put_together(seller, class, |_policies| {})
    }

    /// Another instance, without a worker: the same ERP and the same time, over a store of its own.
    pub(super) fn beside(&self, store: Arc<dyn Store>) -> Self {
        let state = AppState::new(
            store,
            self.erp.clone(),
            self.state.clock.clone(),
            Policies::clone(&self.state.policies),
            Config::clone(&self.state.config),
        )
        .unwrap();
        Self::of(state, self.erp.clone(), self.clock.clone())
    }

    fn put_together(
        seller: Seller,
        class: CreateClass,
        change: impl FnOnce(&mut Policies),
    ) -> Self {
        let erp = Arc::new(Erp::new(seller.system, class));
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
        let mut config: Config = load(LAYER, Some(&directory), &Environment::default()).unwrap();
        config.effects.poll = HumanDuration::from_millis(10);
        let mut policies = Policies::clone(&seller.sources.policies);
        change(&mut policies);
        let state = AppState::new(
            seller.sources.store,
            erp.clone(),
            seller.sources.clock,
            policies,
            config,
        )
        .unwrap();
        Self::of(state, erp, seller.clock)
    }

    fn of(state: AppState, erp: Arc<Erp>, clock: ClockHandle) -> Self {
        let routes = orders::router()
            .merge(exceptions::router())
            .merge(events::router())
            .merge(promise::router())
            .merge(events::webhooks::router());
        let (app, _contract) = routes.with_state(state.clone()).split_for_parts();
        Self {
            app,
            erp,
            state,
            clock,
            stop: CancellationToken::new(),
        }
    }

    pub(super) fn request(
        caller: &CallContext,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Request<Body> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        let mut request = request.body(body).unwrap();
        request
            .extensions_mut()
            .insert(Caller::authenticated(caller.clone()));
        request
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Reply {
            status,
            headers,
            body,
        }
    }

    pub(super) async fn post(
        &self,
        caller: &CallContext,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Reply {
        self.send(Self::request(caller, "POST", path, headers, body))
            .await
    }

    pub(super) async fn get(&self, caller: &CallContext, path: &str) -> Reply {
        self.send(Self::request(caller, "GET", path, &[], &Value::Null))
            .await
    }

    /// Places an order for account A.
    pub(super) async fn place(&self, key: &str, order: &Value) -> Reply {
        self.post(
            &buyer(&["A"]),
            "/v1/orders",
            &[("idempotency-key", key)],
            order,
        )
        .await
    }

    /// A person's command on the order as it is now.
    pub(super) async fn command(
        &self,
        caller: &CallContext,
        id: &str,
        command: &str,
        body: &Value,
    ) -> Reply {
        let etag = self.get(&clerk(), &format!("/v1/orders/{id}")).await.etag();
        let key = format!("{command}-{etag}").replace('"', "");
        let headers = [
            ("idempotency-key", key.as_str()),
            ("if-match", etag.as_str()),
        ];
        self.post(
            caller,
            &format!("/v1/orders/{id}/{command}"),
            &headers,
            body,
        )
        .await
    }

    /// Lets time pass until the order stands so.
    pub(super) async fn until(&self, id: &str, status: &str) -> Value {
        self.until_order(id, |order| order["status"] == status)
            .await
    }

    pub(super) async fn until_order(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/v1/orders/{id}");
        let mut last = Value::Null;
        let mut position = self.state.store.position();
        for _ in 0..1_000 {
            last = self.get(&clerk(), &path).await.body;
            if wanted(&last) {
                return last;
            }
            // Whatever is due gets its chance at each instant before the clock moves on.
            drop(tokio::time::timeout(Duration::from_millis(20), position.changed()).await);
            self.clock.advance(SignedDuration::from_millis(250));
        }
        panic!("it never stood so: {last:#}");
    }
}
