//! The channel from outside, against a process-apis of our own over HTTP, and its mappings.

mod answers;
mod documents;
mod intake;
mod mailbox;
mod mapping;
mod orders;

use std::sync::Arc;

use axum::{Router, body::Body};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use service_runtime::{clock::Clock, config::Secret, http_client::HopConfig};
use tower::ServiceExt as _;

use crate::{
    Background, Deps, build,
    config::Config,
    state::AppState,
    testing::{KEY, NOW, facts, stub::Stub},
};

const PROFILE: &str = include_str!("../../../../config/partners/acme-edi.toml");

/// The channel and what stands behind it.
struct World {
    router: Router,
    background: Background,
    stub: Arc<Stub>,
}

/// An answer, read whole.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// A problem without what differs from request to request.
    fn masked(&self) -> serde_json::Value {
        let mut body = self.json();
        body.as_object_mut().unwrap().remove("correlation_id");
        body
    }
}

impl World {
    async fn new() -> Self {
        Self::agreed(|profile| profile.to_owned()).await
    }

    /// A world in which something else was agreed with the partner.
    async fn agreed(change: impl FnOnce(&str) -> String) -> Self {
        let (clock, _hands) = Clock::fixed(NOW.parse().unwrap());
        Self::before(Stub::start(clock, super::CHANNEL).await, change)
    }

    /// The same partner's documents, after something else was agreed.
    fn agreed_anew(&self, change: impl FnOnce(&str) -> String) -> Self {
        Self::before(Arc::clone(&self.stub), change)
    }

    fn before(stub: Arc<Stub>, change: impl FnOnce(&str) -> String) -> Self {
        let partners = tempfile::tempdir().unwrap();
        std::fs::write(partners.path().join("acme-edi.toml"), change(PROFILE)).unwrap();
        let clock = stub.clock.clone();
        let mut config = Config {
            development: true,
            process: HopConfig::new(stub.address.clone()),
            ..Config::default()
        };
        config.context.process_key = Secret::from(KEY.to_owned());
        config.edi.partners_dir = partners.path().to_owned();
        config.edi.max_body = service_runtime::config::ByteSize::bytes(64 * 1024);
        let deps = Deps {
            clock,
            ..Deps::default()
        };
        let (router, background) = build(config, deps).unwrap();
        Self {
            router,
            background,
            stub,
        }
    }

    fn state(&self) -> &AppState {
        &self.background.state
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    async fn post(&self, bytes: impl Into<Bytes>) -> Answer {
        let request = request(
            "POST",
            "/edi/v1/acme-edi/interchanges",
            Some(("acme-edi", "acme-edi-demo")),
        );
        let (mut parts, _) = request.into_parts();
        parts
            .headers
            .insert(header::CONTENT_TYPE, "application/edi-x12".parse().unwrap());
        self.send(Request::from_parts(parts, Body::from(bytes.into())))
            .await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path, Some(("acme-edi", "acme-edi-demo"))))
            .await
    }

    /// Waits for the orders that a request began to take.
    async fn settle(&self) {
        let begun = &self.state().edi.begun;
        begun.close();
        tokio::time::timeout(std::time::Duration::from_secs(20), begun.wait())
            .await
            .unwrap();
        begun.reopen();
    }

    /// Leases every document of one direction, and carries each on.
    async fn work(
        &self,
        direction: canonical_model::document::Direction,
    ) -> Vec<Result<(), String>> {
        let mut done = Vec::new();
        for document in self.stub.lease_all(direction) {
            let leased = tokio::time::Instant::now();
            let carried = super::worker::carry_on(self.state(), &document, leased).await;
            done.push(carried.map_err(|failure| crate::desk::told(&failure)));
        }
        done
    }
}

fn request(method: &str, path: &str, credential: Option<(&str, &str)>) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "edi.example");
    if let Some((user, secret)) = credential {
        let token = STANDARD.encode(format!("{user}:{secret}"));
        request = request.header(header::AUTHORIZATION, format!("Basic {token}"));
    }
    request.body(Body::empty()).unwrap()
}

/// An interchange being put together; counts are right unless a test spoils them.
struct Interchange {
    control: u32,
    usage: char,
    sender: &'static str,
    receiver: &'static str,
    version: &'static str,
    sets: Vec<(&'static str, String)>,
}

impl Interchange {
    fn new(control: u32) -> Self {
        Self {
            control,
            usage: 'P',
            sender: "ACMEMFG",
            receiver: "NORTHWIND",
            version: "004010",
            sets: Vec::new(),
        }
    }

    fn order(mut self, body: &str) -> Self {
        self.sets.push(("850", body.to_owned()));
        self
    }

    fn text(&self) -> String {
        let Self {
            control,
            usage,
            sender,
            receiver,
            version,
            sets,
        } = self;
        let mut text = format!(
            "ISA*00*{:10}*00*{:10}*ZZ*{sender:<15}*ZZ*{receiver:<15}*260302*0915*U*00401*{control:09}*0*{usage}*>~\
             GS*PO*{sender}*{receiver}*20260302*0915*7*X*{version}~",
            "", ""
        );
        for (index, (id, body)) in sets.iter().enumerate() {
            let (number, count) = (index + 1, body.matches('~').count() + 2);
            text.push_str(&format!(
                "ST*{id}*{number:04}~{body}SE*{count}*{number:04}~"
            ));
        }
        text + &format!("GE*{}*7~IEA*1*{control:09}~", sets.len())
    }
}

/// A purchase order of two sound lines.
fn purchase_order(number: &str) -> String {
    format!(
        "BEG*00*NE*{number}**20260301~CUR*BY*USD~DTM*002*20260309~N1*ST*Plant*92*PLANT2~\
         PO1*1*10*EA*10.00**VP*SKU-0001~PO1**5*CA*10.00**BP*ACM-9002~CTT*2~"
    )
}
