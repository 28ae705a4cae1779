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
    /// Those of them that this instance may begin while it cannot agree with the others; absent = all, as for one that is
    /// alone.
    pub share: Option<NonZeroU32>,
    /// Calls under way at a time.
    pub in_flight: NonZeroU32,
    /// Those of them that are kept for orders; one at least is left to the rest.
    pub reserved_for_orders: u32,
    /// Calls that may wait for their slot; more are refused at once. Orders are counted apart from the rest.
    pub waiting: u32,
    /// While the backend is slow, or asks for less, it gets fewer calls: at least this share of `calls_per_second`.
    pub floor_percent: u8,
}

impl BudgetPolicy {
    /// What this instance may begin by itself.
    pub(super) fn stated_share(&self) -> u32 {
        self.share.unwrap_or(self.calls_per_second).get()
    }
}

impl Validate for BudgetPolicy {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            self.stated_share() <= self.calls_per_second.get(),
            "share",
            "give at most `calls_per_second`",
        );
        faults.check(
            (1..=100).contains(&self.floor_percent),
            "floor_percent",
            "give a share from 1 to 100; 100 = the pace is never cut",
        );
    }
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
            share: None,
            in_flight: non_zero(8),
            reserved_for_orders: 1,
            waiting: 1_000,
            floor_percent: 25,
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
    /// So much longer they answer while the backend is asked anew; no caller waits for that.
    #[serde(default = "never")]
    pub stale_while_revalidate: HumanDuration,
    /// So much longer than fresh they answer, marked `degraded`, while the backend does not.
    pub stale_if_error: HumanDuration,
    /// So long it is remembered that the source does not know a key.
    #[serde(default = "never")]
    pub absent: HumanDuration,
    /// Facts kept at most; the least used go first.
    #[serde(default = "usual_entries")]
    pub entries: NonZeroUsize,
}

/// The longest that an unknown key may be remembered: it may be made at the source at any moment.
const LONGEST_ABSENT: HumanDuration = HumanDuration::from_secs(300);

fn never() -> HumanDuration {
    HumanDuration::from_secs(0)
}

fn usual_entries() -> NonZeroUsize {
    NonZeroUsize::new(100_000).unwrap_or(NonZeroUsize::MIN)
}

impl CachePolicy {
    /// Seconds fresh, seconds longer if the backend fails.
    pub fn seconds(fresh: u64, stale_if_error: u64) -> Self {
        Self {
            fresh: HumanDuration::from_secs(fresh),
            stale_while_revalidate: never(),
            stale_if_error: HumanDuration::from_secs(stale_if_error),
            absent: never(),
            entries: usual_entries(),
        }
    }

    /// The same, and seconds longer while the backend is asked anew.
    #[must_use]
    pub fn revalidated(self, seconds: u64) -> Self {
        Self {
            stale_while_revalidate: HumanDuration::from_secs(seconds),
            ..self
        }
    }

    /// The same, and seconds in which a key that the source does not know is not asked for again.
    #[must_use]
    pub fn remembering_absence(self, seconds: u64) -> Self {
        Self {
            absent: HumanDuration::from_secs(seconds),
            ..self
        }
    }

    /// The oldest a fact may be when it answers while the backend is well.
    pub(super) fn fresh_limit(&self, oldest: Option<Duration>) -> Duration {
        within(self.fresh.get(), oldest)
    }

    /// The oldest a fact may be when it answers while it is asked for anew.
    pub(super) fn revalidate_limit(&self, oldest: Option<Duration>) -> Duration {
        let window = self.stale_while_revalidate.get();
        within(self.fresh.get().saturating_add(window), oldest)
    }

    /// The oldest a fact may be when the backend fails: what the caller takes then, within what the operation keeps.
    pub(super) fn stale_limit(&self, oldest: Option<Duration>) -> Duration {
        let stale = self.fresh.get().saturating_add(self.stale_if_error.get());
        within(stale, oldest)
    }

    /// How long ago a source may have said that it does not know a key.
    pub(super) fn absent_limit(&self, oldest: Option<Duration>) -> Duration {
        within(self.absent.get(), oldest)
    }

    /// Beyond this a fact serves nobody.
    pub(super) fn longest(&self) -> Duration {
        self.stale_limit(None).max(self.revalidate_limit(None))
    }
}

fn within(limit: Duration, oldest: Option<Duration>) -> Duration {
    oldest.map_or(limit, |oldest| oldest.min(limit))
}

impl Validate for CachePolicy {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            self.absent <= LONGEST_ABSENT,
            "absent",
            "give at most 5m: what the source does not know may be made there at any moment",
        );
    }
}
