//! Who asked, under which trace: W3C trace context, the business correlation id, the deadline, and
//! the request scope that carries the three through a task.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

use crate::problem::Problem;

pub const TRACEPARENT: &str = "traceparent";
pub const TRACESTATE: &str = "tracestate";
pub const CORRELATION_HEADER: &str = "orderway-correlation-id";
pub const DEADLINE_HEADER: &str = "orderway-deadline-ms";
const MAX_CORRELATION: usize = 128;
const MAX_TRACESTATE: usize = 512;

/// A position in a distributed trace (W3C Trace Context, version 00).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub trace_id: u128,
    pub span_id: u64,
    pub sampled: bool,
    /// Vendors' own data; passed on untouched.
    pub tracestate: Option<String>,
}

impl TraceContext {
    /// The start of a trace of our own.
    pub fn generate() -> Self {
        Self {
            trace_id: rand::random::<u128>().max(1),
            span_id: new_span_id(),
            sampled: true,
            tracestate: None,
        }
    }

    /// A child of the caller's span, or a new trace where there is none worth continuing.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let parent = headers
            .get(TRACEPARENT)
            .and_then(|value| value.to_str().ok())
            .and_then(Self::parse);
        let Some(parent) = parent else {
            return Self::generate();
        };
        let state = headers
            .get(TRACESTATE)
            .and_then(|value| value.to_str().ok());
        let tracestate = state
            .filter(|value| value.len() <= MAX_TRACESTATE)
            .map(str::to_owned);
        Self {
            tracestate,
            ..parent.child()
        }
    }

    /// Reads a `traceparent`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let version = lower_hex(parts.next()?, 2)?;
        let trace = lower_hex(parts.next()?, 32)?;
        let span = lower_hex(parts.next()?, 16)?;
        let flags = lower_hex(parts.next()?, 2)?;
        // Version 00 has exactly four parts; later versions may add some; ff is forbidden.
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self {
            trace_id,
            span_id,
            sampled: flags & 1 == 1,
            tracestate: None,
        })
    }

    /// The same trace, a new span.
    pub fn child(&self) -> Self {
        Self {
            span_id: new_span_id(),
            ..self.clone()
        }
    }

    /// The trace id as it stands in logs and on the order.
    pub fn trace_id_hex(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    pub fn traceparent(&self) -> String {
        format!(
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id,
            self.span_id,
            u8::from(self.sampled)
        )
    }

    /// Puts the trace on an outgoing call.
    pub fn inject(&self, headers: &mut HeaderMap) {
        insert(headers, TRACEPARENT, &self.traceparent());
        if let Some(state) = &self.tracestate {
            insert(headers, TRACESTATE, state);
        }
    }
}

fn new_span_id() -> u64 {
    rand::random::<u64>().max(1)
}

fn lower_hex(text: &str, length: usize) -> Option<&str> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == length && text.bytes().all(hex)).then_some(text)
}

pub(crate) fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The caller's correlation id when it is fit for logs and documents, else a new one.
pub fn correlation_id(headers: &HeaderMap) -> String {
    let sane = |text: &&str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        !text.is_empty() && text.len() <= MAX_CORRELATION && text.bytes().all(allowed)
    };
    let given = headers
        .get(CORRELATION_HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(sane);
    given.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned)
}

/// The instant after which nobody waits for the answer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

impl Deadline {
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// The earlier of this and what the caller's header leaves.
    pub fn shortened_by(self, headers: &HeaderMap) -> Self {
        let millis = headers
            .get(DEADLINE_HEADER)
            .and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
        millis.map_or(self, |millis| {
            self.min(Self::after(Duration::from_millis(u64::from(millis))))
        })
    }
}

/// What the completion event says about the caller, noted once it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noted {
    pub(crate) principal: Option<String>,
    pub(crate) account: Option<String>,
}

/// Everything that goes with a request through its tasks: logs read it, outgoing calls continue it.
#[derive(Clone, Debug)]
pub struct RequestScope {
    pub layer: &'static str,
    pub trace: TraceContext,
    pub correlation_id: String,
    pub deadline: Option<Deadline>,
    noted: Arc<Mutex<Noted>>,
}

tokio::task_local! {
    static SCOPE: Arc<RequestScope>;
}

impl RequestScope {
    pub fn new(
        layer: &'static str,
        trace: TraceContext,
        correlation_id: String,
        deadline: Option<Deadline>,
    ) -> Self {
        Self {
            layer,
            trace,
            correlation_id,
            deadline,
            noted: Arc::default(),
        }
    }

    /// For work that no request waits for: a worker, a sweep, a refresh.
    pub fn background(layer: &'static str) -> Self {
        Self::new(
            layer,
            TraceContext::generate(),
            uuid::Uuid::now_v7().to_string(),
            None,
        )
    }

    /// For work that carries an earlier request on: its trace and correlation id, no deadline.
    pub fn detached(&self) -> Self {
        Self {
            deadline: None,
            trace: self.trace.child(),
            ..self.clone()
        }
    }

    /// The scope of the running task. A spawned task has none unless it is run [`in_scope`](Self::run).
    pub fn current() -> Option<Arc<Self>> {
        SCOPE.try_with(Arc::clone).ok()
    }

    /// Runs a future in this scope; use it around what is given to `tokio::spawn`.
    pub async fn run<F: Future>(self: Arc<Self>, future: F) -> F::Output {
        SCOPE.scope(self, future).await
    }

    /// Tells the request log who called and for which account.
    pub fn note_caller(&self, principal: &str, account: Option<&str>) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.principal = Some(principal.to_owned());
        noted.account = account.map(str::to_owned);
    }

    pub(crate) fn noted(&self) -> Noted {
        self.noted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// As an extractor: `Scope(scope): Scope`.
#[derive(Clone, Debug)]
pub struct Scope(pub Arc<RequestScope>);

impl<S: Send + Sync> FromRequestParts<S> for Scope {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let scope = parts.extensions.get::<Arc<RequestScope>>().cloned();
        Ok(Self(scope.or_else(RequestScope::current).unwrap_or_else(
            || Arc::new(RequestScope::background("unknown")),
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_is_continued_not_restarted() {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, GOOD.parse().unwrap());
        headers.insert(TRACESTATE, "vendor=1".parse().unwrap());
        let trace = TraceContext::from_headers(&headers);
        assert_eq!(trace.trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(trace.span_id, 0x00f0_67aa_0ba9_02b7);
        let mut out = HeaderMap::new();
        trace.inject(&mut out);
        assert_eq!(out[TRACESTATE], "vendor=1");
        assert_eq!(
            TraceContext::parse(out[TRACEPARENT].to_str().unwrap())
                .unwrap()
                .trace_id,
            trace.trace_id
        );
    }

    #[rstest]
    #[case("")]
    #[case("00-00000000000000000000000000000000-00f067aa0ba902b7-01")]
    #[case("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01")]
    #[case("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
    #[case("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01")]
    #[case("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x")]
    #[case("00-4bf92f35-00f067aa0ba902b7-01")]
    fn a_broken_traceparent_starts_a_new_trace(#[case] text: &str) {
        assert_eq!(TraceContext::parse(text), None);
    }

    #[rstest]
    #[case("po-2026.1:7", true)]
    #[case("with space", false)]
    #[case("", false)]
    #[case("a\"b", false)]
    fn only_a_sane_correlation_id_is_kept(#[case] given: &str, #[case] kept: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(CORRELATION_HEADER, given.parse().unwrap());
        assert_eq!(correlation_id(&headers) == given, kept);
    }

    #[tokio::test]
    async fn a_scope_is_seen_inside_its_task_only() {
        assert!(RequestScope::current().is_none());
        let scope = Arc::new(RequestScope::background("process-apis"));
        let seen = Arc::clone(&scope)
            .run(async { RequestScope::current().unwrap().layer })
            .await;
        assert_eq!(seen, "process-apis");
    }
}
