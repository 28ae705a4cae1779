//! News from backends that tell nothing by themselves: their changes are read.
//!
//! Each instance reads each such backend. The cursor of a source stands in `process-apis` and moves together with the news
//! that it brings, on the condition that it stands where it was found: so a crash loses nothing, and two that read at once
//! do no harm. Whoever finds that another moved it reads less often from then on.

mod door;
mod memory;
mod reader;
#[cfg(test)]
mod tests;
mod watermark;

use serde::Deserialize;
use service_runtime::config::{Faults, HumanDuration, Validate};

pub use door::{Delivered, Door, ProcessDoor};
pub use reader::{Reader, Source};

/// How a backend's changes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PollConfig {
    /// Between two looks that found nothing.
    pub interval: HumanDuration,
    /// The longest that a change may take to become visible after its stamp: the source's longest transaction, and how far
    /// the clocks of its own servers may differ.
    pub overlap: HumanDuration,
    /// How often shipments that are known to be open are looked for by their number.
    pub sweep: HumanDuration,
}

impl Default for PollConfig {
    fn default() -> Self {
        Self {
            interval: HumanDuration::from_secs(5),
            overlap: HumanDuration::from_secs(120),
            sweep: HumanDuration::from_secs(600),
        }
    }
}

impl Validate for PollConfig {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            self.interval >= HumanDuration::from_millis(10),
            "interval",
            "give at least 10ms",
        );
        faults.check(
            self.sweep >= self.interval,
            "sweep",
            "give at least the interval",
        );
        faults.check(
            self.overlap <= HumanDuration::from_secs(86_400),
            "overlap",
            "give at most 1d: so much is read again with each look",
        );
    }
}
