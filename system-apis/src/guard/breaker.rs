//! A circuit breaker over a sliding window of outcomes: stops calls to a backend operation that keeps failing, and lets
//! one probe at a time find out whether it is well again.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::policy::BreakerPolicy;

/// Outcomes remembered at most; the oldest go first.
const MOST_OUTCOMES: usize = 1_000;
/// What a caller is told while a probe is under way.
const PROBE_WAIT: Duration = Duration::from_secs(1);

/// What a breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// Nothing, for a while.
    Open,
    /// One call, to see how it goes.
    HalfOpen,
}

#[derive(Debug)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen { probing: bool },
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    outcomes: VecDeque<(Instant, bool)>,
}

/// The breaker of one backend operation.
#[derive(Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    inner: Mutex<Inner>,
}

/// Leave to call; report what came of it. Dropped without a report (a call that never started, a cancelled probe) it
/// counts for nothing and frees the probe's place.
#[derive(Debug)]
pub struct Pass {
    breaker: Arc<Breaker>,
    probe: bool,
    reported: bool,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(policy: BreakerPolicy) -> Arc<Self> {
        Arc::new(Self {
            policy,
            inner: Mutex::new(Inner {
                phase: Phase::Closed,
                outcomes: VecDeque::new(),
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leave to call, or how long to stay away.
    pub fn pass(self: &Arc<Self>) -> Result<Pass, Duration> {
        let now = Instant::now();
        let mut inner = self.lock();
        let probe = match inner.phase {
            Phase::Closed => false,
            Phase::Open { until } if now < until => return Err(until - now),
            Phase::HalfOpen { probing: true } => return Err(PROBE_WAIT),
            Phase::Open { .. } | Phase::HalfOpen { probing: false } => {
                inner.phase = Phase::HalfOpen { probing: true };
                true
            }
        };
        Ok(Pass {
            breaker: Arc::clone(self),
            probe,
            reported: false,
        })
    }

    /// What it lets through now.
    pub fn state(&self) -> BreakerState {
        match self.lock().phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { until } if Instant::now() < until => BreakerState::Open,
            Phase::Open { .. } | Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    fn report(&self, probe: bool, success: bool) {
        let now = Instant::now();
        let mut inner = self.lock();
        if probe {
            inner.outcomes.clear();
            inner.phase = if success {
                Phase::Closed
            } else {
                Phase::Open {
                    until: now + self.policy.open_for,
                }
            };
            return;
        }
        // A call that began before the breaker opened says nothing about the backend's recovery.
        if !matches!(inner.phase, Phase::Closed) {
            return;
        }
        inner.outcomes.push_back((now, success));
        while inner.outcomes.len() > MOST_OUTCOMES
            || inner
                .outcomes
                .front()
                .is_some_and(|(at, _)| now.duration_since(*at) > self.policy.window)
        {
            inner.outcomes.pop_front();
        }
        let calls = inner.outcomes.len();
        let failures = inner.outcomes.iter().filter(|(_, ok)| !ok).count();
        let enough = u32::try_from(calls).is_ok_and(|calls| calls >= self.policy.minimum_calls);
        if enough && failures * 100 >= calls * usize::from(self.policy.failure_percent) {
            inner.outcomes.clear();
            inner.phase = Phase::Open {
                until: now + self.policy.open_for,
            };
        }
    }
}

impl Pass {
    /// Whether the breaker has opened since this leave was given, so that a call that still waits for its slot should
    /// not be made.
    pub fn is_void(&self) -> bool {
        !self.probe && self.breaker.state() != BreakerState::Closed
    }

    /// Says what came of the call.
    pub fn report(mut self, success: bool) {
        self.reported = true;
        self.breaker.report(self.probe, success);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.probe && !self.reported {
            self.breaker.lock().phase = Phase::HalfOpen { probing: false };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Arc<Breaker> {
        Breaker::new(BreakerPolicy {
            window: Duration::from_secs(10),
            minimum_calls: 4,
            failure_percent: 50,
            open_for: Duration::from_secs(5),
        })
    }

    fn report(breaker: &Arc<Breaker>, outcomes: &[bool]) {
        for ok in outcomes {
            breaker.pass().unwrap().report(*ok);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn opens_at_the_share_of_failures_and_closes_after_a_good_probe() {
        let breaker = breaker();
        report(&breaker, &[true, true, false]);
        assert_eq!(breaker.state(), BreakerState::Closed);
        report(&breaker, &[false]);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.pass().unwrap_err(), Duration::from_secs(5));

        tokio::time::advance(Duration::from_secs(5)).await;
        let probe = breaker.pass().unwrap();
        assert!(breaker.pass().is_err(), "one probe at a time");
        probe.report(true);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_opens_it_again_and_a_cancelled_one_frees_its_place() {
        let breaker = breaker();
        report(&breaker, &[false; 4]);
        tokio::time::advance(Duration::from_secs(5)).await;
        drop(breaker.pass().unwrap());
        breaker.pass().unwrap().report(false);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn the_window_slides() {
        let breaker = breaker();
        report(&breaker, &[false, false, false]);
        tokio::time::advance(Duration::from_secs(11)).await;
        report(&breaker, &[true, true, true, false]);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_outcome_from_before_it_opened_changes_nothing() {
        let breaker = breaker();
        let late = breaker.pass().unwrap();
        report(&breaker, &[false; 4]);
        assert!(late.is_void());
        late.report(true);
        assert_eq!(breaker.state(), BreakerState::Open);
    }
}
