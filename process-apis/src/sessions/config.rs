//! The limits of sessions.

use serde::Deserialize;
use service_runtime::config::{Faults, Validate};

/// The limits of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionsConfig {
    /// As many sessions of one partner live at a time.
    pub max_per_partner: u32,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self {
            max_per_partner: 5_000,
        }
    }
}

impl Validate for SessionsConfig {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            (1..=100_000).contains(&self.max_per_partner),
            "max_per_partner",
            "give 1 to 100000",
        );
    }
}
