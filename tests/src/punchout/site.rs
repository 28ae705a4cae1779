//! The buyer's own web site: pages that lead to the shop, the addresses to which carts come back, and the one to which
//! ConfirmationRequests and events are sent.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use tokio::task::JoinHandle;

/// A form that a browser posted.
#[derive(Debug, Clone)]
pub struct Posted {
    /// The path, `/cart` or below.
    pub path: String,
    /// The bytes, as they came.
    pub body: Vec<u8>,
}

impl Posted {
    /// Its fields, read as UTF-8.
    pub fn fields(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body)
            .into_owned()
            .collect()
    }
}

#[derive(Default)]
struct Kept {
    carts: Vec<Posted>,
    confirmations: Vec<Vec<u8>>,
    webhooks: Vec<Vec<u8>>,
    /// Answers still to be given before the first 200.
    refusals: Vec<u16>,
}

/// The site; it ends when it is dropped.
pub struct Site {
    /// Its address, without a slash at the end.
    pub url: String,
    kept: Arc<Mutex<Kept>>,
    serving: JoinHandle<()>,
}

impl Site {
    /// Starts it on a free port of loopback.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let kept = Arc::<Mutex<Kept>>::default();
        let routes = Router::new()
            .route("/frame", get(frame))
            .route("/link", get(link))
            .route("/cart", post(cart))
            .route("/oci/cart", post(cart))
            .route("/confirmations", post(confirmation))
            .route("/webhooks", post(webhook))
            .with_state(Arc::clone(&kept));
        let serving = tokio::spawn(async move {
            drop(axum::serve(listener, routes).await);
        });
        Ok(Self { url, kept, serving })
    }

    /// A page of the buyer's that shows the shop in a frame.
    pub fn frame(&self, start: &str) -> String {
        self.page("frame", start)
    }

    /// A page of the buyer's with a link to the shop.
    pub fn link(&self, start: &str) -> String {
        self.page("link", start)
    }

    fn page(&self, name: &str, start: &str) -> String {
        let start: String = url::form_urlencoded::byte_serialize(start.as_bytes()).collect();
        format!("{}/{name}?start={start}", self.url)
    }

    /// The carts that came, oldest first.
    pub fn carts(&self) -> Vec<Posted> {
        self.with(|kept| kept.carts.clone())
    }

    /// Waits until so many carts have come, and gives the last.
    pub async fn cart(&self, count: usize) -> anyhow::Result<Posted> {
        crate::until(&format!("cart {count}"), async || {
            let carts = self.carts();
            anyhow::ensure!(carts.len() <= count, "{} carts came", carts.len());
            Ok(carts.into_iter().nth(count.saturating_sub(1)))
        })
        .await
    }

    /// The ConfirmationRequests that came, oldest first, those that were not taken too.
    pub fn confirmations(&self) -> Vec<Vec<u8>> {
        self.with(|kept| kept.confirmations.clone())
    }

    /// The events that were posted to it, oldest first.
    pub fn webhooks(&self) -> Vec<Vec<u8>> {
        self.with(|kept| kept.webhooks.clone())
    }

    /// What the next ConfirmationRequests are answered with, before they are taken again.
    pub fn refuse_confirmations(&self, statuses: &[u16]) {
        self.with(|kept| kept.refusals = statuses.iter().rev().copied().collect());
    }

    fn with<T>(&self, look: impl FnOnce(&mut Kept) -> T) -> T {
        locked(&self.kept, look)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn locked<T>(kept: &Mutex<Kept>, look: impl FnOnce(&mut Kept) -> T) -> T {
    look(&mut kept.lock().unwrap_or_else(PoisonError::into_inner))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;")
}

fn page(body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Procurement</title><style>\
         body{{margin:1rem;font-family:sans-serif}}iframe{{width:100%;height:46rem;border:1px solid #777}}</style></head>\
         <body><main><h1>Requisition 4711</h1>{body}</main></body></html>"
    ))
}

async fn frame(Query(query): Query<BTreeMap<String, String>>) -> Html<String> {
    let start = query.get("start").map_or("", String::as_str);
    page(&format!(
        "<iframe title=\"Supplier's shop\" src=\"{}\"></iframe>",
        escaped(start)
    ))
}

async fn link(Query(query): Query<BTreeMap<String, String>>) -> Html<String> {
    let start = query.get("start").map_or("", String::as_str);
    page(&format!("<a href=\"{}\">Go shopping</a>", escaped(start)))
}

async fn cart(
    State(kept): State<Arc<Mutex<Kept>>>,
    uri: axum::http::Uri,
    body: Bytes,
) -> Html<String> {
    let posted = Posted {
        path: uri.path().to_owned(),
        body: body.to_vec(),
    };
    locked(&kept, |kept| kept.carts.push(posted));
    page("<p>The cart is back.</p>")
}

async fn webhook(State(kept): State<Arc<Mutex<Kept>>>, body: Bytes) -> StatusCode {
    locked(&kept, |kept| kept.webhooks.push(body.to_vec()));
    StatusCode::NO_CONTENT
}

async fn confirmation(
    State(kept): State<Arc<Mutex<Kept>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let refusal = locked(&kept, |kept| {
        kept.confirmations.push(body.to_vec());
        kept.refusals.pop()
    });
    if let Some(status) = refusal {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return (status, "not now").into_response();
    }
    let is_xml = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/xml"));
    if !is_xml {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let answer = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE cXML SYSTEM \
        \"http://xml.cxml.org/schemas/cXML/1.2.053/cXML.dtd\">\n<cXML payloadID=\"answer@procure.example.com\" \
        timestamp=\"2026-01-05T09:30:00+00:00\"><Response><Status code=\"200\" text=\"OK\"/></Response></cXML>";
    ([(header::CONTENT_TYPE, "text/xml")], answer).into_response()
}
