//! A stand-in for process-apis: canned answers by method and path, a feed that can be fed, and a record of every call
//! with its verified context.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use canonical_model::event::CloudEvent;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use service_runtime::{
    context::{AccountScope, CallContext, ContextVerifier},
    problem::Problem,
};
use tokio::sync::watch;

/// One call as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
    pub(super) context: CallContext,
}

#[derive(Clone)]
struct Canned {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

#[derive(Clone)]
pub(super) struct Stub {
    pub(super) address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    verifier: ContextVerifier,
    answers: Mutex<HashMap<String, Vec<Canned>>>,
    seen: Mutex<Vec<Seen>>,
    feed: watch::Sender<Vec<CloudEvent>>,
    broken_polls: Mutex<u32>,
    polls: watch::Sender<u32>,
}

impl Stub {
    pub(super) async fn start(verifier: ContextVerifier) -> Self {
        let inner = Arc::new(Inner {
            verifier,
            answers: Mutex::default(),
            seen: Mutex::default(),
            feed: watch::Sender::new(Vec::new()),
            broken_polls: Mutex::default(),
            polls: watch::Sender::new(0),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&inner));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, inner }
    }

    /// The next answer to a method and path; the last one given stays.
    pub(super) fn answers(&self, call: &str, status: u16, body: &Value) {
        self.answers_with(call, status, &[], body);
    }

    pub(super) fn answers_with(
        &self,
        call: &str,
        status: u16,
        headers: &[(&'static str, &str)],
        body: &Value,
    ) {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        let canned = Canned {
            status,
            headers,
            body: body.to_string().into_bytes(),
        };
        let mut answers = self.inner.answers.lock().unwrap();
        answers.entry(call.to_owned()).or_default().push(canned);
    }

    pub(super) fn answers_problem(&self, call: &str, problem: &Problem) {
        let body = serde_json::to_value(problem).unwrap();
        self.answers(call, problem.status, &body);
    }

    /// Puts an event on the feed, at its next position.
    pub(super) fn publish(&self, mut event: CloudEvent) {
        self.inner.feed.send_modify(|events| {
            event.position = u64::try_from(events.len()).unwrap() + 1;
            events.push(event);
        });
    }

    /// The next polls of the feed fail.
    pub(super) fn break_feed(&self, polls: u32) {
        *self.inner.broken_polls.lock().unwrap() = polls;
    }

    /// Waits until the feed has been asked so often.
    pub(super) async fn polled(&self, times: u32) {
        let mut polls = self.inner.polls.subscribe();
        let enough = polls.wait_for(|polls| *polls >= times);
        tokio::time::timeout(Duration::from_secs(20), enough)
            .await
            .expect("the feed is polled")
            .unwrap();
    }

    /// The calls that came, without those of the feed.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().unwrap().clone()
    }

    pub(super) fn seen_call(&self, method: &str, path: &str) -> Seen {
        let seen = self.seen();
        seen.iter()
            .find(|seen| seen.method == method && seen.path == path)
            .unwrap_or_else(|| panic!("{method} {path} is not among {seen:#?}"))
            .clone()
    }
}

async fn answer(State(stub): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let context = match stub.verifier.verify_headers(&parts.headers) {
        Ok(context) => context.into_inner(),
        Err(error) => return Problem::unauthenticated(error.to_string()).into_response(),
    };
    let query = parts.uri.query().unwrap_or("").to_owned();
    if parts.uri.path() == "/v1/events/public" {
        return poll(&stub, &query, &context).await;
    }
    let bytes = to_bytes(body, 16 * 1024 * 1024).await.unwrap();
    let seen = Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query,
        headers: parts.headers,
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        context,
    };
    let call = format!("{} {}", seen.method, seen.path);
    stub.seen.lock().unwrap().push(seen);
    let canned = {
        let mut answers = stub.answers.lock().unwrap();
        match answers.get_mut(&call) {
            Some(queue) if queue.len() > 1 => Some(queue.remove(0)),
            Some(queue) => queue.first().cloned(),
            None => None,
        }
    };
    let Some(canned) = canned else {
        return Problem::not_found().into_response();
    };
    let mut response = Response::new(Body::from(canned.body));
    *response.status_mut() = StatusCode::from_u16(canned.status).unwrap();
    for (name, value) in canned.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// The feed: under the layer's identity all of it, which counts as a poll; else the events of the caller's accounts.
async fn poll(stub: &Inner, query: &str, context: &CallContext) -> Response {
    let layer = context.require("feed:all").is_ok();
    if layer {
        stub.polls.send_modify(|polls| *polls += 1);
    } else if context.require("events:read").is_err() || context.accounts == AccountScope::All {
        return Problem::forbidden("events:read").into_response();
    }
    let broken = layer && {
        let mut broken = stub.broken_polls.lock().unwrap();
        let now = *broken > 0;
        *broken = broken.saturating_sub(1);
        now
    };
    if broken {
        return (StatusCode::SERVICE_UNAVAILABLE, "down").into_response();
    }
    let parameter = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(key, value)| (key == name).then(|| value.to_owned()))
    };
    let mut feed = stub.feed.subscribe();
    let after = parameter("after").unwrap();
    if after == "latest" {
        let next = feed.borrow().len();
        return axum::Json(json!({"events": [], "next": next})).into_response();
    }
    let after = after.parse::<usize>().unwrap();
    let limit = parameter("limit").unwrap().parse::<usize>().unwrap();
    let wait = Duration::from_secs(parameter("wait").unwrap().parse().unwrap());
    let more = feed.wait_for(|events| events.len() > after);
    let read: Vec<CloudEvent> = match tokio::time::timeout(wait, more).await {
        Ok(events) => events
            .unwrap()
            .iter()
            .skip(after)
            .take(limit)
            .cloned()
            .collect(),
        Err(_) => Vec::new(),
    };
    let next = after + read.len();
    let types = parameter("types").map(|types| types.replace("%2C", ","));
    let seen = |event: &CloudEvent| {
        let account = event.account.as_ref();
        let wanted = types.as_ref().is_none_or(|types| {
            let mut types = types.split(',');
            types.any(|word| event.event_type == format!("com.orderway.{word}.v1"))
        });
        wanted && (layer || account.is_some_and(|account| context.may_see(account.as_str())))
    };
    let events: Vec<CloudEvent> = read.into_iter().filter(seen).collect();
    axum::Json(json!({"events": events, "next": next})).into_response()
}
