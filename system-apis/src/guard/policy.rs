//! What the guard is told by configuration: budgets, breakers, and how long facts of each kind stay good.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use service_runtime::config::{Faults, HumanDuration, Validate};

/// How much a backend may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetPolicy {
    /// Calls begun in any second.
    pub calls_per_second: NonZeroU32,
    /// Calls under way at a time.
    pub in_flight: NonZeroU32,
    /// Calls that may wait for their slot; more are refused at once. Orders are counted apart from the rest.
    pub waiting: u32,
}

const fn non_zero(value: u32) -> NonZeroU32 {
    match NonZeroU32::new(value) {
        Some(value) => value,
        None => NonZeroU32::MIN,
    }
}

impl Default for BudgetPolicy {
    fn default() -> Self {
        Self {
            calls_per_second: non_zero(20),
            in_flight: non_zero(8),
            waiting: 1_000,
        }
    }
}

/// The breaker's settings as configuration writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// How long an outcome counts.
    pub window: HumanDuration,
    /// It does not open before this many calls in the window.
    pub minimum_calls: u32,
    /// It opens when this share of them failed.
    pub failure_percent: u8,
    /// How long it stays open before it lets a probe through.
    pub open_for: HumanDuration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            window: HumanDuration::from_secs(30),
            minimum_calls: 5,
            failure_percent: 50,
            open_for: HumanDuration::from_secs(5),
        }
    }
}

impl Validate for BreakerSettings {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            (1..=100).contains(&self.failure_percent),
            "failure_percent",
            "give a share from 1 to 100",
        );
        faults.check(self.minimum_calls > 0, "minimum_calls", "give at least 1");
        faults.check(
            !self.window.get().is_zero() && !self.open_for.get().is_zero(),
            "open_for",
            "window and open_for must be longer than 0ms",
        );
    }
}

/// The breaker's settings as it works with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// How long an outcome counts.
    pub window: Duration,
    /// It does not open before this many calls in the window.
    pub minimum_calls: u32,
    /// It opens when this share of them failed.
    pub failure_percent: u8,
    /// How long it stays open.
    pub open_for: Duration,
}

impl From<BreakerSettings> for BreakerPolicy {
    fn from(settings: BreakerSettings) -> Self {
        Self {
            window: settings.window.get(),
            minimum_calls: settings.minimum_calls,
            failure_percent: settings.failure_percent,
            open_for: settings.open_for.get(),
        }
    }
}

/// How long the facts of one operation are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CachePolicy {
    /// So long they answer without asking the backend.
    pub fresh: HumanDuration,
    /// So much longer they answer, marked `degraded`, while the backend does not.
    pub stale_if_error: HumanDuration,
    /// Facts kept at most; the least used go first.
    #[serde(default = "usual_entries")]
    pub entries: NonZeroUsize,
}

fn usual_entries() -> NonZeroUsize {
    NonZeroUsize::new(100_000).unwrap_or(NonZeroUsize::MIN)
}

impl CachePolicy {
    /// Seconds fresh, seconds longer if the backend fails.
    pub fn seconds(fresh: u64, stale_if_error: u64) -> Self {
        Self {
            fresh: HumanDuration::from_secs(fresh),
            stale_if_error: HumanDuration::from_secs(stale_if_error),
            entries: usual_entries(),
        }
    }

    /// The oldest a fact may be when it answers while the backend is well.
    pub(super) fn fresh_limit(&self, oldest: Option<Duration>) -> Duration {
        let fresh = self.fresh.get();
        oldest.map_or(fresh, |oldest| oldest.min(fresh))
    }

    /// The oldest a fact may be when the backend fails: what the caller takes then, within what the operation keeps.
    pub(super) fn stale_limit(&self, oldest: Option<Duration>) -> Duration {
        let stale = self.fresh.get().saturating_add(self.stale_if_error.get());
        oldest.map_or(stale, |oldest| oldest.min(stale))
    }
}
