//! The configuration of an ERP instance: which connector, and how its guard is set.

use serde::Deserialize;
use service_runtime::config::{Faults, HumanDuration, Validate};

use super::{
    connectors::{sandbox::config::SandboxErp, tryton::config::TrytonErp},
    feed::ChangesConfig,
};
use crate::guard::policy::{BreakerSettings, BudgetPolicy, CachePolicy};

/// One ERP.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErpInstance {
    /// What it is and where.
    pub connector: ErpConnectorConfig,
    /// What it may be asked for.
    #[serde(default)]
    pub budget: BudgetPolicy,
    /// When its operations are left alone.
    #[serde(default)]
    pub breaker: BreakerSettings,
    /// How long its facts are good.
    #[serde(default)]
    pub cache: ErpCaches,
    /// How its changes are read, if its connector has a feed of them.
    #[serde(default)]
    pub changes: ChangesConfig,
    /// For a read, waiting for its slot included.
    #[serde(default = "usual_read_timeout")]
    pub read_timeout: HumanDuration,
    /// For a change, waiting for its slot included.
    #[serde(default = "usual_write_timeout")]
    pub write_timeout: HumanDuration,
}

impl ErpInstance {
    /// The defaults around a connector.
    pub fn of(connector: ErpConnectorConfig) -> Self {
        Self {
            connector,
            budget: BudgetPolicy::default(),
            breaker: BreakerSettings::default(),
            cache: ErpCaches::default(),
            changes: ChangesConfig::default(),
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

/// The kinds of ERP there are connectors for.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ErpConnectorConfig {
    /// The sandbox's ERP.
    Sandbox(SandboxErp),
    /// A Tryton 8.2.
    Tryton(TrytonErp),
}

/// How long each kind of fact is good.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ErpCaches {
    /// Accounts and who stands above them.
    pub accounts: CachePolicy,
    /// Products by number.
    pub products: CachePolicy,
    /// Pages of the catalogue.
    pub catalogue: CachePolicy,
    /// Price records.
    pub prices: CachePolicy,
    /// Stock.
    pub stock: CachePolicy,
    /// Credit.
    pub credit: CachePolicy,
}

impl ErpCaches {
    fn by_name(&self) -> [(&'static str, &CachePolicy); 6] {
        [
            ("accounts", &self.accounts),
            ("products", &self.products),
            ("catalogue", &self.catalogue),
            ("prices", &self.prices),
            ("stock", &self.stock),
            ("credit", &self.credit),
        ]
    }
}

impl Default for ErpCaches {
    fn default() -> Self {
        const HOUR: u64 = 3_600;
        Self {
            accounts: CachePolicy::seconds(300, 12 * HOUR)
                .revalidated(300)
                .remembering_absence(10),
            products: CachePolicy::seconds(600, 24 * HOUR)
                .revalidated(600)
                .remembering_absence(30),
            catalogue: CachePolicy::seconds(600, 24 * HOUR).revalidated(600),
            prices: CachePolicy::seconds(300, 4 * HOUR)
                .revalidated(60)
                .remembering_absence(10),
            stock: CachePolicy::seconds(30, HOUR)
                .revalidated(15)
                .remembering_absence(10),
            credit: CachePolicy::seconds(30, HOUR),
        }
    }
}

impl Validate for ErpInstance {
    fn validate(&self, faults: &mut Faults) {
        match &self.connector {
            ErpConnectorConfig::Sandbox(sandbox) => faults.within("connector", sandbox),
            ErpConnectorConfig::Tryton(tryton) => faults.within("connector", tryton),
        }
        faults.within("budget", &self.budget);
        faults.within("breaker", &self.breaker);
        for (name, policy) in self.cache.by_name() {
            faults.within(&format!("cache.{name}"), policy);
        }
        faults.within("changes", &self.changes);
        faults.check(
            !self.read_timeout.get().is_zero() && !self.write_timeout.get().is_zero(),
            "read_timeout",
            "time-outs must be longer than 0ms",
        );
    }
}
