//! A circuit breaker over a sliding window of outcomes: stops calls to a backend operation that keeps failing, and lets
//! one probe at a time find out whether it is well again.
//!
//! A person can hold it open or closed for a while.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
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

/// How a person holds a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// Nothing is let through, not even a probe.
    Open,
    /// Everything is let through, whatever comes of it.
    Closed,
}

/// What a person has ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// How.
    pub held: Held,
    /// Until when, by this process's own clock.
    pub until: Instant,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// The last call that spoke against the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastFailure {
    /// How it ended, as it is counted.
    pub outcome: &'static str,
    /// When.
    pub at: Instant,
}

/// All that can be seen of a breaker; instants are of this process's own clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerView {
    /// What it lets through.
    pub state: BreakerState,
    /// Since when it has not changed.
    pub since: Instant,
    /// When the next probe may go, while it is open.
    pub next_probe: Option<Instant>,
    /// The last failure, since the process has started.
    pub last_failure: Option<LastFailure>,
    /// What a person has ordered, while it lasts.
    pub hold: Option<Hold>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen { probing: bool },
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    since: Instant,
    outcomes: VecDeque<(Instant, bool)>,
    last_failure: Option<LastFailure>,
    hold: Option<Hold>,
}

impl Inner {
    fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.since = now;
        self.outcomes.clear();
    }

    /// What a person has ordered, if it still holds. What was held open is tried by a probe first.
    fn hold(&mut self, now: Instant) -> Option<&Hold> {
        if self.hold.as_ref().is_some_and(|hold| hold.until <= now) {
            self.release(now);
        }
        self.hold.as_ref()
    }

    fn release(&mut self, now: Instant) {
        match self.hold.take().map(|hold| hold.held) {
            Some(Held::Open) => self.enter(Phase::Open { until: now }, now),
            Some(Held::Closed) => self.enter(Phase::Closed, now),
            None => {}
        }
    }
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
                since: Instant::now(),
                outcomes: VecDeque::new(),
                last_failure: None,
                hold: None,
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
        if let Some(hold) = inner.hold(now) {
            return match hold.held {
                Held::Open => Err(hold.until - now),
                Held::Closed => Ok(self.leave(false)),
            };
        }
        let probe = match inner.phase {
            Phase::Closed => false,
            Phase::Open { until } if now < until => return Err(until - now),
            Phase::HalfOpen { probing: true } => return Err(PROBE_WAIT),
            Phase::Open { .. } | Phase::HalfOpen { probing: false } => {
                inner.enter(Phase::HalfOpen { probing: true }, now);
                true
            }
        };
        Ok(self.leave(probe))
    }

    fn leave(self: &Arc<Self>, probe: bool) -> Pass {
        Pass {
            breaker: Arc::clone(self),
            probe,
            reported: false,
        }
    }

    /// What it lets through now.
    pub fn state(&self) -> BreakerState {
        self.view().state
    }

    /// All that can be seen of it.
    pub fn view(&self) -> BreakerView {
        let now = Instant::now();
        let mut inner = self.lock();
        let hold = inner.hold(now).cloned();
        let state = match (hold.as_ref().map(|hold| hold.held), inner.phase) {
            (Some(Held::Open), _) => BreakerState::Open,
            (Some(Held::Closed), _) | (None, Phase::Closed) => BreakerState::Closed,
            (None, Phase::Open { until }) if now < until => BreakerState::Open,
            (None, Phase::Open { .. } | Phase::HalfOpen { .. }) => BreakerState::HalfOpen,
        };
        let next_probe = match (&hold, inner.phase) {
            (None, Phase::Open { until }) => Some(until),
            _ => None,
        };
        BreakerView {
            state,
            since: inner.since,
            next_probe,
            last_failure: inner.last_failure,
            hold,
        }
    }

    /// Holds it as a person orders, or no longer. Held as it is held already, it has not changed.
    pub fn hold(&self, order: Option<Hold>) {
        let now = Instant::now();
        let mut inner = self.lock();
        let before = inner.hold(now).map(|hold| hold.held);
        match order {
            Some(hold) => {
                if before != Some(hold.held) {
                    inner.since = now;
                }
                inner.hold = Some(hold);
            }
            None => inner.release(now),
        }
    }

    /// What came of a call: the label of its failure, or nothing.
    fn report(&self, probe: bool, failure: Option<&'static str>) {
        let now = Instant::now();
        let success = failure.is_none();
        let mut inner = self.lock();
        if let Some(outcome) = failure {
            inner.last_failure = Some(LastFailure { outcome, at: now });
        }
        if inner.hold(now).is_some() {
            return;
        }
        if probe {
            let phase = if success {
                Phase::Closed
            } else {
                Phase::Open {
                    until: now + self.policy.open_for,
                }
            };
            inner.enter(phase, now);
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
            let until = now + self.policy.open_for;
            inner.enter(Phase::Open { until }, now);
        }
    }
}

impl Pass {
    /// Whether this call finds out if the backend is well again.
    pub(super) fn is_probe(&self) -> bool {
        self.probe
    }

    /// Whether the breaker has opened since this leave was given, so that a call that still waits for its slot should
    /// not be made.
    pub fn is_void(&self) -> bool {
        let view = self.breaker.view();
        let held_open = view.hold.is_some_and(|hold| hold.held == Held::Open);
        held_open || (!self.probe && view.state != BreakerState::Closed)
    }

    /// Says what came of the call: the label of its failure, or nothing.
    pub fn report(mut self, failure: Option<&'static str>) {
        self.reported = true;
        self.breaker.report(self.probe, failure);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.probe && !self.reported {
            let mut inner = self.breaker.lock();
            if matches!(inner.phase, Phase::HalfOpen { .. }) {
                inner.phase = Phase::HalfOpen { probing: false };
            }
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

    fn said(well: bool) -> Option<&'static str> {
        (!well).then_some("unavailable")
    }

    fn hold(held: Held, seconds: u64) -> Option<Hold> {
        Some(Hold {
            held,
            until: Instant::now() + Duration::from_secs(seconds),
            by: "operator:kim".to_owned(),
            reason: "a test".to_owned(),
        })
    }

    fn report(breaker: &Arc<Breaker>, outcomes: &[bool]) {
        for ok in outcomes {
            breaker.pass().unwrap().report(said(*ok));
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
        probe.report(None);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_opens_it_again_and_a_cancelled_one_frees_its_place() {
        let breaker = breaker();
        report(&breaker, &[false; 4]);
        tokio::time::advance(Duration::from_secs(5)).await;
        drop(breaker.pass().unwrap());
        breaker.pass().unwrap().report(said(false));
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
        late.report(None);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn held_open_nothing_passes_and_afterwards_a_probe_goes_first() {
        let breaker = breaker();
        breaker.hold(hold(Held::Open, 60));
        assert_eq!(breaker.pass().unwrap_err(), Duration::from_secs(60));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(breaker.pass().is_err());
        assert_eq!(breaker.state(), BreakerState::Open);
        tokio::time::advance(Duration::from_secs(1)).await;
        let probe = breaker.pass().unwrap();
        assert!(breaker.pass().is_err(), "one probe at a time");
        probe.report(None);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn held_closed_everything_passes_whatever_comes_of_it() {
        let breaker = breaker();
        report(&breaker, &[false; 4]);
        breaker.hold(hold(Held::Closed, 60));
        report(&breaker, &[false; 20]);
        assert_eq!(breaker.state(), BreakerState::Closed);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(breaker.view().hold, None);
        report(&breaker, &[false; 4]);
        assert_eq!(
            breaker.state(),
            BreakerState::Open,
            "it decides itself again"
        );
        breaker.hold(hold(Held::Open, 60));
        breaker.hold(None);
        assert!(
            breaker.pass().is_ok(),
            "a probe, when it is let go before its end"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_it_does_and_why_can_be_seen() {
        let breaker = breaker();
        let start = Instant::now();
        tokio::time::advance(Duration::from_secs(3)).await;
        report(&breaker, &[false; 4]);
        tokio::time::advance(Duration::from_secs(1)).await;
        let view = breaker.view();
        let opened = start + Duration::from_secs(3);
        assert_eq!((view.state, view.since), (BreakerState::Open, opened));
        assert_eq!(view.next_probe, Some(opened + Duration::from_secs(5)));
        let failure = view.last_failure.unwrap();
        assert_eq!((failure.outcome, failure.at), ("unavailable", opened));
    }
}
