//! The configuration of a CRM instance: which connector, and how its guard is set.

use serde::Deserialize;
use service_runtime::config::{Faults, HumanDuration, Validate};

use super::connectors::{sandbox::config::SandboxCrm, tryton::config::TrytonCrm};
use crate::guard::policy::{BreakerSettings, BudgetPolicy, CachePolicy};

/// One CRM.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrmInstance {
    /// What it is and where.
    pub connector: CrmConnectorConfig,
    /// What it may be asked for.
    #[serde(default)]
    pub budget: BudgetPolicy,
    /// When its operations are left alone.
    #[serde(default)]
    pub breaker: BreakerSettings,
    /// How long its facts are good.
    #[serde(default)]
    pub cache: CrmCaches,
    /// For a read, waiting for its slot included.
    #[serde(default = "usual_read_timeout")]
    pub read_timeout: HumanDuration,
    /// For a change, waiting for its slot included.
    #[serde(default = "usual_write_timeout")]
    pub write_timeout: HumanDuration,
}

impl CrmInstance {
    /// The defaults around a connector.
    pub fn of(connector: CrmConnectorConfig) -> Self {
        Self {
            connector,
            budget: BudgetPolicy::default(),
            breaker: BreakerSettings::default(),
            cache: CrmCaches::default(),
            read_timeout: usual_read_timeout(),
            write_timeout: usual_write_timeout(),
        }
    }
}

fn usual_read_timeout() -> HumanDuration {
    HumanDuration::from_secs(10)
}

fn usual_write_timeout() -> HumanDuration {
    HumanDuration::from_secs(20)
}

/// The kinds of CRM there are connectors for.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CrmConnectorConfig {
    /// The sandbox's CRM.
    Sandbox(SandboxCrm),
    /// A Tryton 8.2.
    Tryton(TrytonCrm),
}

/// How long each kind of fact is good. Contacts are personal data: they are kept no longer than is of use.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrmCaches {
    /// How accounts stand.
    pub standings: CachePolicy,
    /// Whom to talk to.
    pub contacts: CachePolicy,
}

impl Default for CrmCaches {
    fn default() -> Self {
        const HOUR: u64 = 3_600;
        Self {
            standings: CachePolicy::seconds(300, 12 * HOUR),
            contacts: CachePolicy::seconds(600, HOUR),
        }
    }
}

impl Validate for CrmInstance {
    fn validate(&self, faults: &mut Faults) {
        match &self.connector {
            CrmConnectorConfig::Sandbox(sandbox) => faults.within("connector", sandbox),
            CrmConnectorConfig::Tryton(tryton) => faults.within("connector", tryton),
        }
        faults.within("breaker", &self.breaker);
        faults.check(
            !self.read_timeout.get().is_zero() && !self.write_timeout.get().is_zero(),
            "read_timeout",
            "time-outs must be longer than 0ms",
        );
    }
}
