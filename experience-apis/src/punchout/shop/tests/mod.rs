//! The shop over a stand-in for process-apis: what a buyer sees, and what is posted back.

mod carts;
mod leaving;
mod links;
mod pages;
mod stub;

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
};
use canonical_model::SessionId;
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use service_runtime::{
    clock::{Clock, ClockHandle},
    config::Secret,
};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::{
    Deps, build,
    config::Config,
    punchout::visit::{self, Visit},
    state::AppState,
};
use stub::Stub;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const NOW: &str = "2026-03-01T12:00:00Z";
const PARTNER: &str = "acme-punchout";
const PROFILE: &str = include_str!("../../../../../config/partners/punchout/acme-punchout.toml");
const ADDRESS: &str = "https://orders.example.com";

/// The channel and what stands behind it.
struct World {
    stub: Arc<Stub>,
    state: AppState,
    router: Router,
    time: ClockHandle,
    _profiles: TempDir,
}

/// What a browser gets.
struct Shown {
    status: StatusCode,
    headers: HeaderMap,
    html: String,
}

impl World {
    async fn new() -> Self {
        Self::with(|_config| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::made(change, str::to_owned).await
    }

    /// With another profile.
    async fn over(profile: impl FnOnce(&str) -> String) -> Self {
        Self::made(|_config| {}, profile).await
    }

    async fn made(change: impl FnOnce(&mut Config), profile: impl FnOnce(&str) -> String) -> Self {
        let (clock, time) = Clock::fixed(NOW.parse().unwrap());
        let stub = Stub::start(clock.clone()).await;
        let profiles = tempfile::tempdir().unwrap();
        let other = PROFILE
            .replace("\"acme-punchout\"", "\"other\"")
            .replace("AN01-ACME", "AN01-OTHER");
        let acme = profile(PROFILE);
        for (name, profile) in [("acme-punchout.toml", &acme), ("other.toml", &other)] {
            std::fs::write(profiles.path().join(name), profile).unwrap();
        }
        let mut config = Config {
            development: true,
            ..Config::default()
        };
        config.process.base_url.clone_from(&stub.address);
        config.context.process_key = Secret::from(KEY.to_owned());
        config.punchout.partners_dir = profiles.path().to_owned();
        config.punchout.public_url = ADDRESS.to_owned();
        config.punchout.link_key = Secret::from(KEY.to_owned());
        change(&mut config);
        let deps = Deps {
            clock,
            ..Deps::default()
        };
        let (router, background) = build(config, deps).unwrap();
        Self {
            stub,
            state: background.state,
            router,
            time,
            _profiles: profiles,
        }
    }

    /// Opens a visit; the path of its start link.
    async fn open(&self, visit: Value) -> String {
        let visit: Visit = serde_json::from_value(visit).unwrap();
        let profile = self.state.punchout.partner(PARTNER).unwrap();
        let id = SessionId::generate();
        let opened = visit::open(&self.state, profile, id, &visit, Vec::new());
        let start = opened.await.unwrap().start_url;
        start.strip_prefix(ADDRESS).unwrap().to_owned()
    }

    /// Opens a visit and goes in; the path of its pages.
    async fn enter(&self, visit: Value) -> String {
        let start = self.open(visit).await;
        let first = self.get(&start).await.location();
        first.rsplit_once('/').unwrap().0.to_owned() + "/"
    }

    async fn get(&self, path: &str) -> Shown {
        self.send(Request::get(path), Body::empty()).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let request =
            Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        self.send(request, Body::from(form.finish())).await
    }

    async fn send(&self, request: http::request::Builder, body: Body) -> Shown {
        let request = request.header("host", "orders.example.com");
        let request = request.body(body).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Shown {
            status: parts.status,
            headers: parts.headers,
            html: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }
}

impl Shown {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    fn location(&self) -> String {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.html);
        self.header("location").to_owned()
    }

    #[track_caller]
    fn says(&self, text: &str) {
        assert!(self.html.contains(text), "no {text:?} in {}", self.html);
    }

    #[track_caller]
    fn is_silent_of(&self, text: &str) {
        assert!(!self.html.contains(text), "{text:?} in {}", self.html);
    }
}

/// A visit in OCI.
fn oci(mode: &str, cart: Value) -> Value {
    json!({"protocol": {"oci": {"hook_fields": [["~OkCode", "ADDI"]], "charset": "UTF-8"}}, "mode": mode, "test": false,
        "return_url": "https://procure.example.com/punchout/in", "cart": cart, "ship_to": "ACME-01",
        "stage": "waiting"})
}

/// A visit in cXML.
fn cxml(mode: &str, cart: Value) -> Value {
    let mut visit = oci(mode, cart);
    visit["protocol"] = json!({"cxml": {"buyer_cookie": "<b>cookie&amp;\"1\"</b>", "operation": mode,
        "from": [{"domain": "NetworkID", "identity": "AN01-ACME"}], "to": [{"domain": "NetworkID", "identity": "AN01-NORTHWIND"}],
        "payload_id": "1@acme", "fingerprint": "f"}});
    visit
}

fn bolts(quantity: &str) -> Value {
    json!([{"item": "SKU-0001", "quantity": quantity, "unit": "EA"}])
}
