//! What becomes of a call: its luck is decided, it is forwarded or not, and written down.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Collected, Limited};
use hyper::body::Incoming;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::backend::{Answer, Backend, Dropped, cut, plain};
use super::log::{CallLog, CallRecord, Ending, LogPage, Outcome, Stats};
use super::overtaking::Overtaken;
use super::plan::{Call, Fault, FaultPlan, FaultRule, PlanError, RuleState};
use crate::clock::Clock;
use crate::random::Random;

/// A body may be this long, each way.
const MAX_BODY: usize = 8 * 1024 * 1024;
/// Requests that wait to be delivered late or a second time; one beyond is lost.
const MAX_LATE: usize = 10_000;

#[derive(Debug)]
pub(super) struct Core {
    backend: Backend,
    late: Arc<Semaphore>,
    /// Told where what waits to be delivered late is to be delivered now.
    hurry: watch::Sender<()>,
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
    overtaken: Overtaken,
}

/// What is to be done with a call.
#[derive(Debug)]
struct Verdict {
    sequence: u64,
    wait: Duration,
    action: Action,
    luck: Random,
}

/// A call that has come in whole.
#[derive(Debug, Clone)]
struct Came {
    head: http::request::Parts,
    body: Bytes,
    /// What it is about, as the plan says.
    subject: Option<String>,
}

#[derive(Debug)]
enum Action {
    Forward,
    RateLimited { retry_after_s: u64 },
    ConcurrencyLimited,
    Fault(FaultRule),
}

impl Core {
    pub(super) fn new(target: Uri, plan: FaultPlan, log_capacity: usize, clock: Clock) -> Self {
        Self {
            backend: Backend::new(target),
            late: Arc::new(Semaphore::new(MAX_LATE)),
            hurry: watch::Sender::new(()),
            clock,
            started: Instant::now(),
            state: Mutex::new(State {
                rules: plan.rules.iter().cloned().map(RuleState::new).collect(),
                plan,
                admitted: VecDeque::new(),
                log: CallLog::new(log_capacity),
                overtaken: Overtaken::default(),
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

    pub(super) fn deliver_now(&self) {
        self.hurry.send_replace(());
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
        let (method, path) = (head.method.clone(), head.uri.path().to_owned());
        let body = Limited::new(body, MAX_BODY).collect().await;
        let body = body.map(Collected::to_bytes).ok();
        let call = Call {
            method: method.as_str(),
            path: &path,
            body: body.as_deref().unwrap_or_default(),
        };
        let verdict = self.arrive(call);
        let sequence = verdict.sequence;
        let mut ending = Ending {
            outcome: Outcome::TooLarge,
            ..Ending::default()
        };
        let result = match body.clone() {
            Some(body) => {
                ending.request_bytes = body.len();
                let subject = self.state().plan.subject.clone();
                let subject = subject.and_then(|pointer| subject_of(&body, &pointer));
                ending.subject.clone_from(&subject);
                let came = Came {
                    head,
                    body,
                    subject,
                };
                self.act(verdict, came, &mut ending).await
            }
            None => Ok(plain(StatusCode::PAYLOAD_TOO_LARGE)),
        };
        ending.status = result.as_ref().ok().map(|answer| answer.status().as_u16());
        ending.duration = arrived.elapsed();
        let mut state = self.state();
        if ending.reached_backend {
            state.overtaken.passed(sequence, call);
        }
        state.log.end(sequence, ending);
        drop(state);
        result
    }

    /// Writes down a call that has come in whole and decides what becomes of it, in one step, so that the
    /// log's order is the order of the decisions.
    fn arrive(&self, call: Call<'_>) -> Verdict {
        let mut state = self.state();
        let now = Instant::now();
        let since_start = now.duration_since(self.started);
        let busy = state.log.in_flight();
        let sequence = state
            .log
            .begin(since_start, self.clock.now(), call.method, call.path);
        let mut luck = Random::for_event(state.plan.seed, sequence);
        let mut wait = state
            .plan
            .latency
            .as_ref()
            .map_or(Duration::ZERO, |latency| latency.draw(&mut luck));
        let action = state.decide(now, busy, call, &mut luck);
        if let Action::Fault(rule) = &action
            && let Fault::Delay { latency } = &rule.fault
        {
            wait += latency.draw(&mut luck);
        }
        Verdict {
            sequence,
            wait,
            action,
            luck,
        }
    }

    async fn act(
        self: &Arc<Self>,
        mut verdict: Verdict,
        came: Came,
        ending: &mut Ending,
    ) -> Result<Answer, Dropped> {
        match &verdict.action {
            Action::RateLimited { retry_after_s } => {
                ending.outcome = Outcome::RateLimited;
                let answer = plain(StatusCode::TOO_MANY_REQUESTS);
                Ok(with_retry_after(answer, *retry_after_s))
            }
            Action::ConcurrencyLimited => {
                ending.outcome = Outcome::ConcurrencyLimited;
                Ok(plain(StatusCode::TOO_MANY_REQUESTS))
            }
            Action::Forward => {
                tokio::time::sleep(verdict.wait).await;
                Ok(self.forward(came, ending).await)
            }
            Action::Fault(rule) => {
                tokio::time::sleep(verdict.wait).await;
                let (rule, sequence) = (rule.clone(), verdict.sequence);
                let result = self
                    .fail(&rule, sequence, &mut verdict.luck, came, ending)
                    .await;
                ending.outcome = Outcome::Faulted;
                ending.fault = Some(rule.fault.kind().to_owned());
                result
            }
        }
    }

    async fn fail(
        self: &Arc<Self>,
        rule: &FaultRule,
        sequence: u64,
        luck: &mut Random,
        came: Came,
        ending: &mut Ending,
    ) -> Result<Answer, Dropped> {
        match &rule.fault {
            Fault::DropAfterCommit => {
                self.forward(came, ending).await;
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
                self.forward(came, ending).await;
                Ok(plain(status_of(*status)))
            }
            // Its wait has been added to the verdict's.
            Fault::Delay { .. } => Ok(self.forward(came, ending).await),
            Fault::DeliverLate { after, hold_ms } => {
                self.deliver_later(sequence, after.draw(luck), came);
                tokio::time::sleep(Duration::from_millis(*hold_ms)).await;
                Err(Dropped)
            }
            Fault::Truncate { at } => {
                let answer = self.forward(came, ending).await;
                let (answer, at) = cut(answer, ending.response_bytes, *at, luck).await;
                ending.cut_at = Some(at);
                Ok(answer)
            }
            Fault::Duplicate { after } => {
                self.deliver_later(sequence, after.draw(luck), came.clone());
                Ok(self.forward(came, ending).await)
            }
            Fault::Reorder { behind, hold_ms } => {
                let passed = self.state().overtaken.wait(sequence, rule, *behind);
                let hold = Duration::from_millis(*hold_ms);
                // Overtaken or not: it goes on now.
                let overtaken = tokio::time::timeout(hold, passed).await;
                tracing::debug!(sequence, overtaken = overtaken.is_ok(), "a call goes on");
                Ok(self.forward(came, ending).await)
            }
        }
    }

    async fn forward(&self, came: Came, ending: &mut Ending) -> Answer {
        self.backend.call(came.head, came.body, ending).await
    }

    /// Brings a request to the backend when nobody waits for the answer any more.
    fn deliver_later(self: &Arc<Self>, of: u64, wait: Duration, came: Came) {
        let Ok(slot) = Arc::clone(&self.late).try_acquire_owned() else {
            tracing::warn!("too many late deliveries: one is lost");
            return;
        };
        let core = Arc::clone(self);
        let mut hurry = self.hurry.subscribe();
        tokio::spawn(async move {
            // Its time has come, or nobody waits for it.
            drop(tokio::time::timeout(wait, hurry.changed()).await);
            let begun = Instant::now();
            let sequence = core.state().log.begin_repeat(
                begun.duration_since(core.started),
                core.clock.now(),
                (came.head.method.as_str(), came.head.uri.path()),
                of,
            );
            let mut ending = Ending {
                request_bytes: came.body.len(),
                subject: came.subject.clone(),
                ..Ending::default()
            };
            let answer = core.forward(came, &mut ending).await;
            ending.status = Some(answer.status().as_u16());
            ending.duration = begun.elapsed();
            core.state().log.end_repeat(sequence, ending);
            drop(slot);
        });
    }
}

impl State {
    fn decide(&mut self, now: Instant, busy: usize, call: Call<'_>, luck: &mut Random) -> Action {
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
                let strikes = state.strikes(call, luck);
                strikes.then(|| Action::Fault(state.rule.clone()))
            })
            .unwrap_or(Action::Forward)
    }
}

/// What a body says at a JSON pointer, where it is JSON and has a text there.
fn subject_of(body: &[u8], pointer: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body.pointer(pointer)?.as_str().map(str::to_owned)
}

fn with_retry_after(mut answer: Answer, seconds: u64) -> Answer {
    answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    answer
}

/// A plan's statuses have been checked; an impossible one would be an error anyway.
fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
