//! One operation of one backend: every call of it passes deadline, breaker, retry and budget, and is counted.
//!
//! The call runs in a task of its own, so that a caller who goes away does not leave it half done.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use jiff::SignedDuration;
use service_runtime::trace::RequestScope;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::{
    Guard, GuardError,
    breaker::{Breaker, BreakerState, Pass},
    budget::Refused,
    cache::Started,
    lane::{Lane, Ride},
    pace::Latency,
    queue::Claimant,
    turn::Turn,
};
use crate::connector::ConnectorError;

/// The share of a call's time that it may spend waiting for its slot: a call begun at the last moment would use up the
/// budget, be cut off, and look like a failure of the backend.
const WAIT_PERCENT: u32 = 75;

/// What a call does there, which decides what may follow a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only looks: it may be made again.
    Read,
    /// It changes something: never made twice, and cut off in the middle its outcome is unknown.
    Mutation,
}

/// Until when a call may begin and must have ended.
#[derive(Clone, Copy)]
struct Time {
    begin_by: Instant,
    end: Instant,
}

/// How a caller wants to be served.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// When it stops waiting.
    pub deadline: Instant,
    /// Its place when calls are scarce.
    pub lane: Lane,
    /// The oldest fact it takes; absent = the operation's own.
    pub oldest: Option<Duration>,
    /// The oldest it takes while the backend fails; absent = as `oldest`.
    pub oldest_stale: Option<Duration>,
}

/// An operation of a backend behind its guard.
#[derive(Debug)]
pub struct Operation {
    guard: Arc<Guard>,
    name: &'static str,
    kind: Kind,
    timeout: Duration,
    breaker: Arc<Breaker>,
    in_flight: AtomicU32,
    /// How long its calls take, by how often the number of their keys doubles: many keys take longer than one.
    latency: Mutex<HashMap<u32, Latency>>,
}

struct InFlight<'a>(&'a AtomicU32);

impl<'a> InFlight<'a> {
    fn enter(counter: &'a AtomicU32) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Operation {
    pub(super) fn new(
        guard: Arc<Guard>,
        name: &'static str,
        kind: Kind,
        timeout: Duration,
        breaker: Arc<Breaker>,
    ) -> Arc<Self> {
        Arc::new(Self {
            guard,
            name,
            kind,
            timeout,
            breaker,
            in_flight: AtomicU32::new(0),
            latency: Mutex::new(HashMap::new()),
        })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What its breaker lets through.
    pub fn breaker_state(&self) -> BreakerState {
        self.breaker.state()
    }

    /// Its breaker.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// What it shares with the other operations of its backend.
    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Calls under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Makes the call within its guard, in a task of its own.
    pub async fn run<T, F, Fut>(
        self: &Arc<Self>,
        terms: Terms,
        call: F,
    ) -> Result<(T, Started), GuardError>
    where
        T: Send + 'static,
        F: Fn(Started) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, ConnectorError>> + Send + 'static,
    {
        let ride = Arc::new(Ride::new(terms.lane));
        self.run_on(ride, terms.deadline, call).await
    }

    /// The same for a call whose lane may rise until it has its slot.
    pub(super) async fn run_on<T, F, Fut>(
        self: &Arc<Self>,
        ride: Arc<Ride>,
        deadline: Instant,
        call: F,
    ) -> Result<(T, Started), GuardError>
    where
        T: Send + 'static,
        F: Fn(Started) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, ConnectorError>> + Send + 'static,
    {
        let operation = Arc::clone(self);
        let work = async move { operation.guarded(&ride, deadline, call).await };
        let task = match RequestScope::current() {
            Some(scope) => tokio::spawn(scope.run(work)),
            None => tokio::spawn(work),
        };
        task.await.unwrap_or_else(|error| {
            let (backend, operation) = (self.guard.name(), self.name);
            let cause: &(dyn std::error::Error + 'static) = &error;
            warn!(
                error = cause,
                backend, operation, "a backend call broke off"
            );
            Err(match self.kind {
                Kind::Read => GuardError::Broken,
                Kind::Mutation => {
                    GuardError::Connector(Arc::new(ConnectorError::OutcomeUnknown(error.into())))
                }
            })
        })
    }

    async fn guarded<T, F, Fut>(
        &self,
        ride: &Ride,
        deadline: Instant,
        call: F,
    ) -> Result<(T, Started), GuardError>
    where
        F: Fn(Started) -> Fut,
        Fut: Future<Output = Result<T, ConnectorError>>,
    {
        let now = Instant::now();
        let end = deadline.min(now + self.timeout);
        let wait = end.saturating_duration_since(now) * WAIT_PERCENT / 100;
        let time = Time {
            begin_by: now + wait,
            end,
        };
        let pass = self.breaker.pass().map_err(|retry_after| {
            self.refused(
                ride.lane(),
                "circuit_open",
                GuardError::CircuitOpen { retry_after },
            )
        })?;
        if pass.is_probe() {
            // All wait for what it finds out: it does not stand behind those who look around.
            ride.lift(Lane::Checkout);
        }
        let first = self.attempt(&pass, ride, time, &call).await?;
        let last = match first {
            Err(error @ ConnectorError::Unavailable(_))
                if self.kind == Kind::Read
                    && Instant::now() < time.begin_by
                    && self.guard.retries().spend() =>
            {
                // Where no second slot comes, the first answer is what there is to tell, and to count.
                let again = self.attempt(&pass, ride, time, &call).await;
                again.unwrap_or(Err(error))
            }
            first => first,
        };
        if ride.keys() == 0 {
            // Nobody was asked: that says nothing of the backend, and a probe's place is free again.
            return last.map_err(|error| GuardError::Connector(Arc::new(error)));
        }
        let failure = last
            .as_ref()
            .err()
            .filter(|error| error.is_backend_failure());
        pass.report(failure.map(ConnectorError::outcome));
        last.map_err(|error| GuardError::Connector(Arc::new(error)))
    }

    /// One run of the connector's method, when its first slot has come. The outer error says that nothing was sent.
    async fn attempt<T, F, Fut>(
        &self,
        pass: &Pass,
        ride: &Ride,
        time: Time,
        call: &F,
    ) -> Result<Result<(T, Started), ConnectorError>, GuardError>
    where
        F: Fn(Started) -> Fut,
        Fut: Future<Output = Result<T, ConnectorError>>,
    {
        let claimant = Claimant {
            operation: self.name,
            has_begun: false,
        };
        let slot = self
            .guard
            .budget()
            .slot(ride, claimant, time.begin_by)
            .await
            .map_err(|refused| self.refused_slot(ride.lane(), refused))?;
        let lane = ride.lane();
        if pass.is_void() {
            let retry_after = Duration::from_secs(1);
            return Err(self.refused(
                lane,
                "circuit_open",
                GuardError::CircuitOpen { retry_after },
            ));
        }
        // Whoever was stopped while its slot came, and is past its end now, begins nothing.
        if Instant::now() >= time.end {
            return Err(self.refused(lane, "deadline", GuardError::DeadlineExceeded));
        }
        self.guard.retries().earn();
        let _in_flight = InFlight::enter(&self.in_flight);
        let started = Started {
            as_of: self.guard.clock().now(),
            at: Instant::now(),
        };
        let left = time.end.saturating_duration_since(started.at);
        let by = started.at + left * WAIT_PERCENT / 100;
        let turn = Turn::new(Arc::clone(&self.guard), self.name, lane, by, slot);
        let answer = timeout_at(time.end, Arc::clone(&turn).run(call(started)))
            .await
            .unwrap_or_else(|elapsed| {
                Err(match self.kind {
                    Kind::Read => ConnectorError::Unavailable(elapsed.into()),
                    Kind::Mutation => ConnectorError::OutcomeUnknown(elapsed.into()),
                })
            });
        let took = started.at.elapsed().saturating_sub(turn.waited());
        if ride.keys() > 0 {
            self.judge(answer.as_ref().err(), ride.keys(), took);
        }
        self.count(
            lane,
            answer
                .as_ref()
                .map_or_else(ConnectorError::outcome, |_| "ok"),
        );
        Ok(answer.map(|value| (value, started)))
    }

    /// What an answer, and how long it took, says of how the backend bears its calls.
    fn judge(&self, error: Option<&ConnectorError>, keys: u32, took: Duration) {
        let budget = self.guard.budget();
        if let Some(ConnectorError::Throttled { retry_after }) = error {
            budget.pause(*retry_after);
            return;
        }
        let class = keys.checked_ilog2().unwrap_or(0);
        // That it refuses connections at once, or that a method broke off, does not say that it is fast.
        let failed = error.is_some_and(|error| {
            error.is_backend_failure() || matches!(error, ConnectorError::NoSlot)
        });
        let slow = {
            let mut latency = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
            let latency = latency.entry(class).or_default();
            if failed {
                latency.note_failure(took)
            } else {
                latency.note(took)
            }
        };
        if slow || !failed {
            budget.ended(slow);
        }
    }

    fn refused_slot(&self, lane: Lane, refused: Refused) -> GuardError {
        match refused {
            Refused::TooLate => self.refused(lane, "deadline", GuardError::DeadlineExceeded),
            Refused::QueueFull => self.refused(lane, "queue_full", GuardError::Busy),
            Refused::Paused { retry_after } => {
                self.refused(lane, "paused", GuardError::Paused { retry_after })
            }
        }
    }

    fn refused(&self, lane: Lane, outcome: &'static str, error: GuardError) -> GuardError {
        self.count(lane, outcome);
        error
    }

    fn count(&self, lane: Lane, outcome: &'static str) {
        self.guard.count(self.name, lane, outcome);
    }
}

/// For `Retry-After`, which is told in the service runtime's durations.
pub(crate) fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
