//! What becomes of a call: its luck is decided, it is forwarded or not, and written down.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;

use super::log::{CallLog, CallRecord, Ending, LogPage, Outcome, Stats};
use super::plan::{Fault, FaultPlan, PlanError, RuleState};
use crate::clock::Clock;
use crate::random::Random;

/// A body may be this long, each way.
const MAX_BODY: usize = 8 * 1024 * 1024;
const BACKEND_TIMEOUT: Duration = Duration::from_secs(120);
/// Headers of one connection, not of the message (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 4] = [
    CONNECTION,
    TRANSFER_ENCODING,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

#[derive(Debug)]
pub(super) struct Core {
    target: Uri,
    client: Client<HttpConnector, Full<Bytes>>,
    clock: Clock,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    plan: FaultPlan,
    rules: Vec<RuleState>,
    /// Arrivals the rate limit has let through, within its window.
    admitted: VecDeque<Instant>,
    log: CallLog,
}

/// What is to be done with a call.
#[derive(Debug)]
struct Verdict {
    wait: Duration,
    action: Action,
}

#[derive(Debug)]
enum Action {
    Forward,
    RateLimited { retry_after_s: u64 },
    ConcurrencyLimited,
    Fault(Fault),
}

/// Closes the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is dropped on purpose")]
pub(super) struct Dropped;

pub(super) type Answer = Response<Full<Bytes>>;

impl Core {
    pub(super) fn new(target: Uri, plan: FaultPlan, log_capacity: usize, clock: Clock) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self {
            target,
            client,
            clock,
            started: Instant::now(),
            state: Mutex::new(State {
                rules: plan.rules.iter().cloned().map(RuleState::new).collect(),
                plan,
                admitted: VecDeque::new(),
                log: CallLog::new(log_capacity),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_plan(&self, plan: FaultPlan) -> Result<(), PlanError> {
        plan.validate()?;
        let mut state = self.state();
        state.rules = plan.rules.iter().cloned().map(RuleState::new).collect();
        state.plan = plan;
        state.admitted.clear();
        Ok(())
    }

    pub(super) fn plan(&self) -> (FaultPlan, Vec<RuleState>) {
        let state = self.state();
        (state.plan.clone(), state.rules.clone())
    }

    pub(super) fn log_since(&self, sequence: u64, most: usize) -> LogPage {
        self.state().log.since(sequence, most)
    }

    pub(super) fn clear_log(&self) {
        self.state().log.clear();
    }

    pub(super) fn stats(&self, window: Duration, path_prefix: &str) -> Stats {
        self.state().log.stats(window, path_prefix)
    }

    pub(super) fn max_in_window(
        &self,
        width: Duration,
        counts: impl Fn(&CallRecord) -> bool,
    ) -> usize {
        self.state().log.max_in_window(width, counts)
    }

    /// Serves one call from its arrival to its entry in the log.
    pub(super) async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Answer, Dropped> {
        let arrived = Instant::now();
        let (head, body) = request.into_parts();
        let (sequence, verdict) = self.arrive(&head.method, head.uri.path());
        let mut ending = Ending {
            status: None,
            outcome: Outcome::TooLarge,
            reached_backend: false,
            fault: None,
            duration: Duration::ZERO,
            request_bytes: 0,
            response_bytes: 0,
        };
        let result = match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => {
                let body = body.to_bytes();
                ending.request_bytes = body.len();
                self.act(verdict, head, body, &mut ending).await
            }
            Err(_) => Ok(plain(StatusCode::PAYLOAD_TOO_LARGE)),
        };
        ending.status = result.as_ref().ok().map(|answer| answer.status().as_u16());
        ending.duration = arrived.elapsed();
        self.state().log.end(sequence, ending);
        result
    }

    /// Writes the call down and decides what becomes of it, in one step, so that the
    /// log's order is the order of the decisions.
    fn arrive(&self, method: &Method, path: &str) -> (u64, Verdict) {
        let mut state = self.state();
        let now = Instant::now();
        let since_start = now.duration_since(self.started);
        let busy = state.log.in_flight();
        let sequence = state
            .log
            .begin(since_start, self.clock.now(), method.as_str(), path);
        let mut luck = Random::for_event(state.plan.seed, sequence);
        let mut wait = state
            .plan
            .latency
            .as_ref()
            .map_or(Duration::ZERO, |latency| latency.draw(&mut luck));
        let action = state.decide(now, busy, method.as_str(), path, &mut luck);
        if let Action::Fault(Fault::Delay { latency }) = &action {
            wait += latency.draw(&mut luck);
        }
        (sequence, Verdict { wait, action })
    }

    async fn act(
        &self,
        verdict: Verdict,
        head: http::request::Parts,
        body: Bytes,
        ending: &mut Ending,
    ) -> Result<Answer, Dropped> {
        match verdict.action {
            Action::RateLimited { retry_after_s } => {
                ending.outcome = Outcome::RateLimited;
                Ok(with_retry_after(
                    plain(StatusCode::TOO_MANY_REQUESTS),
                    retry_after_s,
                ))
            }
            Action::ConcurrencyLimited => {
                ending.outcome = Outcome::ConcurrencyLimited;
                Ok(plain(StatusCode::TOO_MANY_REQUESTS))
            }
            Action::Forward => {
                tokio::time::sleep(verdict.wait).await;
                Ok(self.forward(head, body, ending).await)
            }
            Action::Fault(fault) => {
                tokio::time::sleep(verdict.wait).await;
                let result = self.fail(&fault, head, body, ending).await;
                ending.outcome = Outcome::Faulted;
                ending.fault = Some(fault.kind().to_owned());
                result
            }
        }
    }

    async fn fail(
        &self,
        fault: &Fault,
        head: http::request::Parts,
        body: Bytes,
        ending: &mut Ending,
    ) -> Result<Answer, Dropped> {
        match fault {
            Fault::DropAfterCommit => {
                self.forward(head, body, ending).await;
                Err(Dropped)
            }
            Fault::DropConnection => Err(Dropped),
            Fault::BlackHole { hold_ms } => {
                tokio::time::sleep(Duration::from_millis(*hold_ms)).await;
                Err(Dropped)
            }
            Fault::Status {
                status,
                retry_after_s,
            } => {
                let answer = plain(status_of(*status));
                Ok(match retry_after_s {
                    Some(seconds) => with_retry_after(answer, *seconds),
                    None => answer,
                })
            }
            Fault::StatusAfterCommit { status } => {
                self.forward(head, body, ending).await;
                Ok(plain(status_of(*status)))
            }
            // Its wait has been added to the verdict's.
            Fault::Delay { .. } => Ok(self.forward(head, body, ending).await),
        }
    }

    async fn forward(
        &self,
        head: http::request::Parts,
        body: Bytes,
        ending: &mut Ending,
    ) -> Answer {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri = Uri::builder()
            .scheme("http")
            .authority(self.target.authority().map_or("", |host| host.as_str()))
            .path_and_query(path)
            .build();
        let Ok(uri) = uri else {
            return plain(StatusCode::BAD_REQUEST);
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = head.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = end_to_end(head.headers);
        request.headers_mut().remove(HOST);
        ending.reached_backend = true;
        ending.outcome = Outcome::BackendUnreachable;
        let answered = tokio::time::timeout(BACKEND_TIMEOUT, self.client.request(request)).await;
        let response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the backend did not answer");
                return plain(StatusCode::BAD_GATEWAY);
            }
            Err(_) => return plain(StatusCode::BAD_GATEWAY),
        };
        let (head, body) = response.into_parts();
        let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
            ending.outcome = Outcome::TooLarge;
            return plain(StatusCode::BAD_GATEWAY);
        };
        let body = body.to_bytes();
        ending.response_bytes = body.len();
        ending.outcome = Outcome::Forwarded;
        let mut answer = Response::new(Full::new(body));
        *answer.status_mut() = head.status;
        *answer.headers_mut() = end_to_end(head.headers);
        answer
    }
}

impl State {
    fn decide(
        &mut self,
        now: Instant,
        busy: usize,
        method: &str,
        path: &str,
        luck: &mut Random,
    ) -> Action {
        if let Some(limit) = &self.plan.rate_limit {
            let window = Duration::from_millis(limit.window_ms);
            while self
                .admitted
                .front()
                .is_some_and(|first| now.duration_since(*first) >= window)
            {
                self.admitted.pop_front();
            }
            if self.admitted.len() >= limit.calls {
                return Action::RateLimited {
                    retry_after_s: limit.retry_after_s,
                };
            }
            self.admitted.push_back(now);
        }
        if self.plan.max_concurrent.is_some_and(|most| busy >= most) {
            return Action::ConcurrencyLimited;
        }
        self.rules
            .iter_mut()
            .find_map(|state| {
                let strikes = state.strikes(method, path, luck);
                strikes.then(|| Action::Fault(state.rule.fault.clone()))
            })
            .unwrap_or(Action::Forward)
    }
}

fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    // The body is whole here, so its length is set anew.
    headers.remove(CONTENT_LENGTH);
    headers
}

fn plain(status: StatusCode) -> Answer {
    let reason = status.canonical_reason().unwrap_or("fault");
    let mut answer = Response::new(Full::new(Bytes::from_static(reason.as_bytes())));
    *answer.status_mut() = status;
    answer
}

fn with_retry_after(mut answer: Answer, seconds: u64) -> Answer {
    answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    answer
}

/// A plan's statuses have been checked; an impossible one would be an error anyway.
fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
