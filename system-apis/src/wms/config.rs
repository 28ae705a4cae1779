//! The configuration of a WMS instance: which connector, and how its guard is set.

use serde::Deserialize;
use service_runtime::config::{Faults, HumanDuration, Validate};

use super::connectors::{sandbox::config::SandboxWms, tryton::config::TrytonWms};
use crate::{
    guard::policy::{BreakerSettings, BudgetPolicy},
    intake::{NewsConfig, poll::PollConfig},
};

/// One WMS.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WmsInstance {
    /// What it is and where.
    pub connector: WmsConnectorConfig,
    /// What it may be asked for.
    #[serde(default)]
    pub budget: BudgetPolicy,
    /// When its operations are left alone.
    #[serde(default)]
    pub breaker: BreakerSettings,
    /// For a read, waiting for its slot included.
    #[serde(default = "usual_read_timeout")]
    pub read_timeout: HumanDuration,
    /// For a change, waiting for its slot included.
    #[serde(default = "usual_write_timeout")]
    pub write_timeout: HumanDuration,
    /// How it signs its news; without it none are taken.
    #[serde(default)]
    pub news: Option<NewsConfig>,
    /// How its changes are read, if it has a change feed.
    #[serde(default)]
    pub poll: PollConfig,
}

impl WmsInstance {
    /// The defaults around a connector.
    pub fn of(connector: WmsConnectorConfig) -> Self {
        Self {
            connector,
            budget: BudgetPolicy::default(),
            breaker: BreakerSettings::default(),
            read_timeout: usual_read_timeout(),
            write_timeout: usual_write_timeout(),
            news: None,
            poll: PollConfig::default(),
        }
    }
}

fn usual_read_timeout() -> HumanDuration {
    HumanDuration::from_secs(10)
}

fn usual_write_timeout() -> HumanDuration {
    HumanDuration::from_secs(20)
}

/// The kinds of WMS there are connectors for.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WmsConnectorConfig {
    /// The sandbox's WMS.
    Sandbox(SandboxWms),
    /// A Tryton whose people work the floor.
    Tryton(TrytonWms),
}

impl WmsConnectorConfig {
    /// Whether its changes are read.
    pub fn has_feed(&self) -> bool {
        match self {
            Self::Sandbox(sandbox) => sandbox.change_feed,
            Self::Tryton(_) => true,
        }
    }

    /// Whether it can post its news.
    fn posts(&self) -> bool {
        matches!(self, Self::Sandbox(_))
    }
}

impl Validate for WmsInstance {
    fn validate(&self, faults: &mut Faults) {
        match &self.connector {
            WmsConnectorConfig::Sandbox(sandbox) => faults.within("connector", sandbox),
            WmsConnectorConfig::Tryton(tryton) => faults.within("connector", tryton),
        }
        faults.within("budget", &self.budget);
        faults.within("breaker", &self.breaker);
        faults.within("poll", &self.poll);
        if let Some(news) = &self.news {
            faults.check(
                self.connector.posts(),
                "news",
                "this kind posts no news, they are read: leave this block out, see `poll`",
            );
            faults.within("news", news);
        }
        faults.check(
            !self.read_timeout.get().is_zero() && !self.write_timeout.get().is_zero(),
            "read_timeout",
            "time-outs must be longer than 0ms",
        );
    }
}
