//! The channel over a process-apis that answers as a test says, and what stands in it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use service_runtime::{clock::Clock, config::Secret, http_client::HopConfig, problem::Problem};
use tower::ServiceExt as _;

use super::html::{self, Page};
use crate::{Deps, build, config::Config};

const PROFILE: &str = include_str!("../../../../../config/partners/punchout/acme-punchout.toml");
pub(super) const NOW: &str = "2026-03-02T09:30:00Z";
pub(super) const HOOK: &str =
    "https://procure.example.com/punchout/in?sap-client=100&sessid=ABC%3D%3D";
pub(super) const PASSWORD: &str = "acme-punchout-demo";

/// A call that reached process-apis.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) call: String,
    pub(super) query: String,
    pub(super) key: String,
    pub(super) body: Value,
}

#[derive(Default)]
struct Stub {
    answers: Mutex<BTreeMap<String, (u16, Value)>>,
    seen: Mutex<Vec<Seen>>,
}

/// The channel and what stands behind it.
pub(super) struct World {
    router: Router,
    stub: Arc<Stub>,
}

/// An answer, read whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn page(&self) -> Page {
        html::page(&self.text())
    }

    /// A field of the only form.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let page = self.page();
        assert_eq!(page.forms.len(), 1, "{}", self.text());
        let fields = page.forms.into_iter().flat_map(|form| form.fields);
        let mut found = fields.filter(|field| field.0 == name);
        found.next().map(|field| field.1)
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::agreed(str::to_owned).await
    }

    /// A world in which something else was agreed with the partner.
    pub(super) async fn agreed(change: impl FnOnce(&str) -> String) -> Self {
        let stub = Arc::new(Stub::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let below = Router::new().fallback(answer).with_state(Arc::clone(&stub));
        tokio::spawn(async move { axum::serve(listener, below).await });
        let partners = tempfile::tempdir().unwrap();
        let file = partners.path().join("acme-punchout.toml");
        std::fs::write(file, change(PROFILE)).unwrap();
        let mut config = Config {
            development: true,
            process: HopConfig::new(address),
            ..Config::default()
        };
        config.context.process_key = Secret::from("k".repeat(32));
        config.punchout.partners_dir = partners.path().to_owned();
        config.punchout.public_url = "https://orders.example.com".to_owned();
        config.punchout.link_key = Secret::from("l".repeat(32));
        let (clock, _hands) = Clock::fixed(NOW.parse().unwrap());
        let deps = Deps {
            clock,
            ..Deps::default()
        };
        let (router, _background) = build(config, deps).unwrap();
        let world = Self { router, stub };
        world.answers("POST /v1/sessions", 201, json!(null));
        world.answers("GET /v1/products/SKU-0001", 200, product("SKU-0001"));
        world
    }

    /// What a call is answered from now on.
    pub(super) fn answers(&self, call: &str, status: u16, body: Value) {
        let mut answers = self.stub.answers.lock().unwrap();
        answers.insert(call.to_owned(), (status, body));
    }

    /// What reached process-apis under an address.
    pub(super) fn seen(&self, call: &str) -> Vec<Seen> {
        let seen = self.stub.seen.lock().unwrap();
        seen.iter()
            .filter(|one| one.call == call)
            .cloned()
            .collect()
    }

    pub(super) async fn send(&self, request: Request) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, 1 << 24).await.unwrap().to_vec(),
        }
    }

    /// A call by GET, as a browser makes it.
    pub(super) async fn get(&self, fields: &[(&str, &str)]) -> Answer {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = browser("GET", &format!("/punchout/oci/acme-punchout?{query}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// A call by GET, as a program makes it.
    pub(super) async fn ask(&self, fields: &[(&str, &str)]) -> Answer {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = Request::get(format!("/punchout/oci/acme-punchout?{query}"))
            .header(header::HOST, "orders.example.com");
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// A form, as a browser posts it.
    pub(super) async fn post(&self, path: &str, form: &str) -> Answer {
        let request =
            browser("POST", path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form.to_owned())).unwrap())
            .await
    }
}

/// A request as a browser makes it.
pub(super) fn browser(method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "orders.example.com")
        .header(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")
}

pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The fields of a sound call, and more.
pub(super) fn call<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let sound = [
        ("HOOK_URL", HOOK),
        ("USERNAME", "acme"),
        ("PASSWORD", PASSWORD),
    ];
    let replaced = |name: &str| more.iter().any(|field| field.0 == name);
    let kept = sound.into_iter().filter(|field| !replaced(field.0));
    kept.chain(more.iter().copied()).collect()
}

async fn answer(State(stub): State<Arc<Stub>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, 1 << 24).await.unwrap();
    let call = format!("{} {}", parts.method, parts.uri.path());
    let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap());
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    stub.seen.lock().unwrap().push(Seen {
        call: call.clone(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        key: header("idempotency-key").unwrap_or_default().to_owned(),
        body: body.clone(),
    });
    let canned = stub.answers.lock().unwrap().get(&call).cloned();
    match canned {
        // A session is answered as it was opened.
        Some((status, Value::Null)) => {
            let mut session = body;
            session["channel"] = json!("punchout");
            session["version"] = json!(1);
            session["created_at"] = json!(NOW);
            session.as_object_mut().unwrap().remove("keys");
            (StatusCode::from_u16(status).unwrap(), axum::Json(session)).into_response()
        }
        Some((status, body)) => {
            let mut response =
                (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response();
            if status >= 400 {
                let kind = "application/problem+json".parse().unwrap();
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
            }
            response
        }
        None => Problem::not_found().into_response(),
    }
}

pub(super) fn product(item: &str) -> Value {
    json!({"company": "NWI", "item": item, "description": "Nitrile gloves <M>, \"blue\" & powder free, 30 pairs",
        "base_unit": "EA", "sales_unit": "EA", "conversions": [], "unspsc": "46181504", "orderable": true,
        "buyer_part_number": "ACM-9001", "as_of": NOW})
}

/// A quote of ten for 9.99 each, here on the 6th.
pub(super) fn quote(quantity: &str) -> Value {
    json!({"quote_id": "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e", "account": "ACME", "ship_to": "ACME-01",
        "lines": [{"line": 1, "item": "SKU-0001", "quantity": {"value": quantity, "unit": "EA"},
            "price": {"unit_price": {"amount": "9.99", "currency": "USD", "unit": "EA"},
                "total": {"amount": "99.90", "currency": "USD"},
                "basis": {"source": "record", "level": "list", "record": "R1"}},
            "schedule": [{"site": "MAIN", "quantity": {"value": quantity, "unit": "EA"}, "ship_date": "2026-03-04",
                "promised_delivery_date": "2026-03-06", "cover": "stock"}],
            "problems": []}],
        "total": {"amount": "99.90", "currency": "USD"}, "created_at": NOW, "expires_at": "2026-04-01T09:30:00Z",
        "state": "open", "decision_id": "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7f"})
}

/// A problem of the layer below.
pub(super) fn problem(status: u16, code: &str, detail: &str) -> Value {
    json!({"type": format!("/errors/{code}"), "title": "Below", "status": status, "code": code, "retryable": false,
        "detail": detail})
}
