//! The settings of a sandbox CRM.

use canonical_model::capabilities::TaskClass;
use serde::Deserialize;
use service_runtime::{
    config::{Faults, HumanDuration, Secret, Validate},
    http_client::BackendClientConfig,
};

/// Where it is and how it behaves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxCrm {
    /// Such as `http://127.0.0.1:7104`.
    pub base_url: String,
    /// Its bearer token.
    #[serde(default)]
    pub token: Secret,
    /// What a second task with the same reference does; must be as the CRM is set.
    #[serde(default = "usual_class")]
    pub task_class: TaskClass,
    /// How long after an unknown outcome its search may miss a task.
    #[serde(default = "usual_quiet_period")]
    pub quiet_period: HumanDuration,
    /// Connections to it.
    #[serde(default)]
    pub http: BackendClientConfig,
}

impl SandboxCrm {
    /// The defaults at an address.
    pub fn at(base_url: String, token: Secret) -> Self {
        Self {
            base_url,
            token,
            task_class: usual_class(),
            quiet_period: usual_quiet_period(),
            http: BackendClientConfig::default(),
        }
    }
}

fn usual_class() -> TaskClass {
    TaskClass::Unique
}

fn usual_quiet_period() -> HumanDuration {
    HumanDuration::from_secs(5)
}

impl Validate for SandboxCrm {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            reqwest::Url::parse(&self.base_url).is_ok_and(|url| url.has_host()),
            "base_url",
            "give an address such as http://127.0.0.1:7104",
        );
        faults.check(
            !self.token.is_empty(),
            "token",
            "give the CRM's token in the environment",
        );
    }
}
