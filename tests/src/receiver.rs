//! A subscriber's system: listens on this machine, keeps what it gets, verifies signatures, and answers as a test says.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use aws_lc_rs::hmac;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

/// A delivery as it arrived.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as bytes.
    pub body: Bytes,
}

impl Delivered {
    /// The body as JSON; null where it is none.
    pub fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A text in the event; empty where there is none.
    pub fn at(&self, pointer: &str) -> String {
        match self.event().pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }

    /// The type without prefix and version: `order.received`.
    pub fn kind(&self) -> String {
        let kind = self.at("/type");
        let kind = kind.strip_prefix("com.orderway.").unwrap_or(&kind);
        kind.strip_suffix(".v1").unwrap_or(kind).to_owned()
    }

    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Whether one of its signatures is by this secret, as the Standard Webhooks say.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let key = secret.strip_prefix("whsec_").unwrap_or_default();
        let Ok(key) = STANDARD.decode(key) else {
            return false;
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let signed = [format!("{id}.{at}.").as_bytes(), &self.body].concat();
        let signatures = self.header("webhook-signature").split(' ');
        let mut decoded = signatures
            .filter_map(|one| one.strip_prefix("v1,"))
            .filter_map(|one| STANDARD.decode(one).ok());
        decoded.any(|signature| hmac::verify(&key, &signed, &signature).is_ok())
    }
}

type Answers = dyn Fn(&Delivered) -> Option<StatusCode> + Send + Sync;

struct Inner {
    got: Mutex<VecDeque<Delivered>>,
    answers: Mutex<Box<Answers>>,
}

/// A subscriber's system; it ends with its last handle.
#[derive(Clone)]
pub struct WebhookReceiver {
    /// Where it listens.
    pub url: String,
    inner: Arc<Inner>,
    _serving: Arc<Serving>,
}

struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl WebhookReceiver {
    /// Listens at any port, and takes everything.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/hooks/orders", listener.local_addr()?);
        let inner = Arc::new(Inner {
            got: Mutex::default(),
            answers: Mutex::new(Box::new(|_delivered| Some(StatusCode::NO_CONTENT))),
        });
        let app = Router::new()
            .fallback(receive)
            .with_state(Arc::clone(&inner));
        let serving = tokio::spawn(async move { drop(axum::serve(listener, app).await) });
        Ok(Self {
            url,
            inner,
            _serving: Arc::new(Serving(serving)),
        })
    }

    /// How it answers from now on; None = never.
    pub fn answers(
        &self,
        answers: impl Fn(&Delivered) -> Option<StatusCode> + Send + Sync + 'static,
    ) {
        let mut place = self
            .inner
            .answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *place = Box::new(answers);
    }

    /// What it got, oldest first.
    pub fn got(&self) -> Vec<Delivered> {
        let got = self
            .inner
            .got
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        got.iter().cloned().collect()
    }

    /// What it got since it was last asked so, oldest first; it keeps none of that.
    pub fn take(&self) -> Vec<Delivered> {
        let mut got = self
            .inner
            .got
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        got.drain(..).collect()
    }

    /// What it got of one order, oldest first.
    pub fn got_of(&self, order: &str) -> Vec<Delivered> {
        let mut got = self.got();
        got.retain(|one| one.at("/subject") == order);
        got
    }

    /// Waits until it has got an event of this type of an order.
    pub async fn until_it_has(&self, order: &str, kind: &str) -> anyhow::Result<Delivered> {
        let what = format!("{kind} of {order}");
        crate::until(&what, async || {
            let found = self.got_of(order).into_iter();
            Ok(found.into_iter().find(|one| one.kind() == kind))
        })
        .await
        .context("a webhook")
    }
}

async fn receive(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let delivered = Delivered { headers, body };
    let answer = {
        let answers = inner.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut got = inner.got.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = answers(&delivered);
        got.push_back(delivered);
        answer
    };
    match answer {
        Some(status) => status.into_response(),
        None => std::future::pending().await,
    }
}
