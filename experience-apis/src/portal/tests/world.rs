//! The portal over its stand-in, an issuer of tokens, and the objects they tell of.

use std::sync::LazyLock;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use axum::{
    Router,
    body::{Body, to_bytes},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use canonical_model::{OrderId, event::CloudEvent};
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use service_runtime::{
    clock::Clock,
    config::Secret,
    context::{ContextKeys, ContextVerifier, LayerIdentity},
    jwt::{Algorithm, IssuerConfig, IssuerKeys},
    server::Stopping,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;

use super::stub::Stub;
use crate::{Deps, build, config::Config};

pub(super) const NOW: &str = "2026-03-01T12:00:00Z";
const ISSUER: &str = "https://issuer.example";
const KEY: &str = "0123456789abcdef0123456789abcdef";

static OURS: LazyLock<EcdsaKeyPair> = LazyLock::new(key_pair);
static FOREIGN: LazyLock<EcdsaKeyPair> = LazyLock::new(key_pair);

fn key_pair() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

fn now() -> i64 {
    NOW.parse::<jiff::Timestamp>().unwrap().as_second()
}

/// Claims of a buyer's token.
pub(super) fn claims(accounts: &[&str], scope: &str) -> Value {
    json!({"iss": ISSUER, "aud": "orderway", "sub": "user-7", "client_id": "shop", "exp": now() + 600, "iat": now(),
        "scope": scope, "accounts": accounts, "company": "NWI"})
}

pub(super) fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn signed(key: &EcdsaKeyPair, claims: &Value) -> String {
    let header = json!({"alg": "ES256", "typ": "JWT", "kid": "k1"});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(claims));
    let signature = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

pub(super) fn token(claims: &Value) -> String {
    signed(&OURS, claims)
}

pub(super) fn foreign_key_token(claims: &Value) -> String {
    signed(&FOREIGN, claims)
}

pub(super) fn unsigned_token(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.",
        part(&json!({"alg": "none", "typ": "JWT"})),
        part(claims)
    )
}

pub(super) const ALL_SCOPES: &str =
    "catalog:read quotes:write orders:read orders:write webhooks:write";

/// A buyer of ACME.
pub(super) fn acme() -> String {
    token(&claims(&["ACME"], ALL_SCOPES))
}

/// A buyer of ACME and ACME-WEST.
pub(super) fn both() -> String {
    token(&claims(&["ACME", "ACME-WEST"], ALL_SCOPES))
}

pub(super) struct World {
    pub(super) stub: Stub,
    router: Router,
    server_stops: CancellationToken,
    _stop: DropGuard,
}

pub(super) async fn world() -> World {
    world_with(|_config| {}).await
}

pub(super) async fn world_with(change: impl FnOnce(&mut Config)) -> World {
    world_over(change, |_stub| {}).await
}

pub(super) async fn world_over(
    change: impl FnOnce(&mut Config),
    prepare: impl FnOnce(&Stub),
) -> World {
    let (clock, _handle) = Clock::fixed(NOW.parse().unwrap());
    let keys = ContextKeys::new(&Secret::from(KEY.to_owned()), None).unwrap();
    let callers = vec![(LayerIdentity::ExperienceApis, keys)];
    let verifier = ContextVerifier::new(LayerIdentity::ProcessApis, callers, clock.clone());
    let stub = Stub::start(verifier).await;
    prepare(&stub);
    let mut config = Config::default();
    config.process.base_url = format!("http://{}", stub.address);
    config.context.process_key = Secret::from(KEY.to_owned());
    let point = &OURS.public_key().as_ref()[1..];
    let (x, y) = point.split_at(32);
    let jwks = json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k1",
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)}]});
    config.issuers = vec![IssuerConfig {
        issuer: ISSUER.to_owned(),
        audience: "orderway".to_owned(),
        algorithm: Algorithm::Es256,
        keys: IssuerKeys::Jwks(jwks.to_string()),
    }];
    change(&mut config);
    let deps = Deps {
        clock,
        ..Deps::default()
    };
    let (router, background) = build(config, deps).unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(background.run(stop.clone()));
    World {
        stub,
        router,
        server_stops: CancellationToken::new(),
        _stop: stop.drop_guard(),
    }
}

/// A request being put together.
pub(super) struct Call(http::request::Builder, Body);

pub(super) fn get(path: &str) -> Call {
    Call(
        Request::get(path).header("host", "portal.example"),
        Body::empty(),
    )
}

pub(super) fn post(path: &str, body: &Value) -> Call {
    raw(path, body.to_string().into_bytes())
}

/// A POST whose body never comes.
pub(super) fn stalled(path: &str) -> Call {
    let body = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let Call(request, _) = raw(path, Vec::new());
    Call(request, Body::from_stream(body))
}

/// A POST without a body.
pub(super) fn act(path: &str) -> Call {
    Call(
        Request::post(path).header("host", "portal.example"),
        Body::empty(),
    )
}

pub(super) fn raw(path: &str, body: Vec<u8>) -> Call {
    let request = Request::post(path)
        .header("host", "portal.example")
        .header("content-type", "application/json");
    Call(request, Body::from(body))
}

pub(super) fn preflight(path: &str, origin: &str) -> Call {
    let request = Request::options(path)
        .header("host", "portal.example")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,idempotency-key",
        );
    Call(request, Body::empty())
}

impl Call {
    pub(super) fn by(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(super) fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub(super) fn account(self, account: &str) -> Self {
        self.header("orderway-account", account)
    }

    pub(super) fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value), self.1)
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn all(&self, name: &str) -> String {
        let values = self.headers.get_all(name).iter();
        let values: Vec<&str> = values.map(|value| value.to_str().unwrap()).collect();
        values.join(", ")
    }

    /// Status and code of a problem.
    pub(super) fn problem(&self) -> (u16, String) {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        (
            self.status,
            self.body()["code"].as_str().unwrap().to_owned(),
        )
    }

    /// The body with its correlation id masked.
    pub(super) fn masked(&self) -> String {
        let id = self.header("orderway-correlation-id");
        assert!(
            self.text.contains(id),
            "the problem carries the correlation id"
        );
        self.text.replace(id, "…")
    }
}

impl World {
    /// Sends, and leaves the body to be read as it comes.
    pub(super) async fn open(&self, call: Call) -> http::Response<Body> {
        let mut request = call.0.body(call.1).unwrap();
        request
            .extensions_mut()
            .insert(Stopping::from(self.server_stops.clone()));
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// What a server tells its requests when it is told to stop.
    pub(super) fn stop_server(&self) {
        self.server_stops.cancel();
    }

    pub(super) async fn send(&self, call: Call) -> Answer {
        let request = call.0.body(call.1).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 16 * 1024 * 1024).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}

pub(super) const ORDER: &str = "0195a000-0000-7000-8000-000000000001";

/// An order as process-apis tell it.
pub(super) fn canonical_order(status: &str, version: u64) -> Value {
    json!({
        "order_id": ORDER, "order_reference": "OW0123456789ABCDEF", "purchase_order_number": "PO-4711",
        "company": "NWI", "account": "ACME", "ship_to": "ACME-01", "channel": "portal", "status": status,
        "version": version, "holds": [], "total": {"amount": "120.00", "currency": "USD"},
        "received_at": NOW, "decision_id": "0195a000-0000-7000-8000-0000000000dd",
        "correlation_id": "c-1", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "lines": [{
            "line": 1, "buyer_line": "10", "identifiers": [{"scheme": "buyer_part_number", "value": "BP-1"}],
            "item": "SKU-0001", "description": "Hex bolt", "ordered": {"value": "12", "unit": "EA"},
            "price": {"unit_price": {"amount": "10.00", "currency": "USD", "unit": "EA"},
                "total": {"amount": "120.00", "currency": "USD"},
                "basis": {"source": "record", "level": "contract_sold_to", "record": "COND-000815",
                    "contract": {"number": "C-100", "version": 3}}},
            "schedule": [{"site": "CHI", "quantity": {"value": "12", "unit": "EA"}, "ship_date": "2026-03-02",
                "promised_delivery_date": "2026-03-04", "cover": "stock"}],
            "quantities": {"open": "12", "rejected": "0", "cancelled": "0", "backordered": "0", "allocated": "0",
                "released": "0", "picked": "0", "packed": "0", "shipped": "0", "delivered": "0", "invoiced": "0",
                "returned": "0"},
            "problems": []
        }]
    })
}

/// The answer to a taken order.
pub(super) fn accepted() -> Value {
    json!({"order_id": ORDER, "order_reference": "OW0123456789ABCDEF", "status": "received", "version": 1,
        "holds": [], "total": {"amount": "120.00", "currency": "USD"}})
}

/// A request for it.
pub(super) fn order_request() -> Value {
    json!({"purchase_order_number": "PO-4711", "lines": [
        {"item": "SKU-0001", "quantity": {"value": "12", "unit": "EA"}, "buyer_line": "10"},
        {"gtin": "00012345678905", "quantity": {"value": "2.5"}}]})
}

pub(super) fn event(word: &str) -> CloudEvent {
    event_of("ACME", word)
}

/// An event of the one order, as if it were an account's.
pub(super) fn event_of(account: &str, word: &str) -> CloudEvent {
    let order: OrderId = ORDER.parse().unwrap();
    serde_json::from_value(json!({
        "specversion": "1.0", "id": uuid::Uuid::now_v7(), "source": "/companies/NWI", "account": account,
        "type": format!("com.orderway.{word}.v1"), "subject": order.to_string(), "time": NOW,
        "datacontenttype": "application/json", "sequence": 1, "position": 1, "correlationid": "c-1",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "data": {"status": "received"}
    }))
    .unwrap()
}
