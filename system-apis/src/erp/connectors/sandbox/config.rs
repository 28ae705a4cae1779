//! The settings of a sandbox ERP.

use canonical_model::capabilities::CreateClass;
use serde::Deserialize;
use service_runtime::{
    config::{Faults, HumanDuration, Secret, Validate},
    http_client::BackendClientConfig,
};

/// Where it is and how it behaves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxErp {
    /// Such as `http://127.0.0.1:7101`.
    pub base_url: String,
    /// Its API key.
    #[serde(default)]
    pub api_key: Secret,
    /// What it does with a second create of the same reference; must be as the ERP is set.
    #[serde(default = "usual_create_class")]
    pub create_class: CreateClass,
    /// How long its list by reference may miss an order after an unknown outcome.
    #[serde(default = "usual_quiet_period")]
    pub quiet_period: HumanDuration,
    /// How long its credit figures may lag.
    #[serde(default = "usual_lag")]
    pub credit_lag: HumanDuration,
    /// How long its stock figures may lag.
    #[serde(default = "usual_lag")]
    pub stock_lag: HumanDuration,
    /// Connections to it.
    #[serde(default)]
    pub http: BackendClientConfig,
}

impl SandboxErp {
    /// The defaults at an address.
    pub fn at(base_url: String, api_key: Secret, create_class: CreateClass) -> Self {
        Self {
            base_url,
            api_key,
            create_class,
            quiet_period: usual_quiet_period(),
            credit_lag: usual_lag(),
            stock_lag: usual_lag(),
            http: BackendClientConfig::default(),
        }
    }
}

fn usual_create_class() -> CreateClass {
    CreateClass::Staged
}

fn usual_quiet_period() -> HumanDuration {
    HumanDuration::from_secs(5)
}

fn usual_lag() -> HumanDuration {
    HumanDuration::from_secs(1)
}

impl Validate for SandboxErp {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            reqwest::Url::parse(&self.base_url).is_ok_and(|url| url.has_host()),
            "base_url",
            "give an address such as http://127.0.0.1:7101",
        );
        faults.check(
            !self.api_key.is_empty(),
            "api_key",
            "give the ERP's key in the environment",
        );
    }
}
