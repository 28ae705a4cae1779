//! How long news wait, and how many.

use serde::Deserialize;
use service_runtime::config::{Faults, HumanDuration, Validate};

/// What becomes of news that cannot be applied at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntakeConfig {
    /// How long after they came their source is asked; doubled each time, up to a minute.
    pub pull_after: HumanDuration,
    /// How long they wait before a person has to look.
    pub patience: HumanDuration,
    /// The longest that a question to a source may take.
    pub call_time: HumanDuration,
    /// How often to look for what other instances have parked.
    pub poll: HumanDuration,
    /// As many of one source may wait or be kept for a person; more are refused with 503.
    pub parked: u32,
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self {
            pull_after: HumanDuration::from_secs(2),
            patience: HumanDuration::from_secs(600),
            call_time: HumanDuration::from_secs(10),
            poll: HumanDuration::from_secs(1),
            parked: 100_000,
        }
    }
}

impl Validate for IntakeConfig {
    fn validate(&self, faults: &mut Faults) {
        let least = HumanDuration::from_millis(10);
        faults.check(
            self.pull_after >= least && self.poll >= least,
            "pull_after",
            "give at least 10ms, here and for poll",
        );
        faults.check(
            self.patience >= self.pull_after,
            "patience",
            "give at least pull_after, or no source is ever asked",
        );
        faults.check(
            self.call_time >= HumanDuration::from_millis(100),
            "call_time",
            "give at least 100ms",
        );
        faults.check(self.parked > 0, "parked", "give at least 1");
    }
}
