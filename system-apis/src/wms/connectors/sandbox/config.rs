//! The settings of a sandbox WMS.

use canonical_model::capabilities::ReleaseClass;
use serde::Deserialize;
use service_runtime::{
    config::{Faults, HumanDuration, Secret, Validate},
    http_client::BackendClientConfig,
};

/// Where it is and how it behaves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxWms {
    /// Such as `http://127.0.0.1:7102`.
    pub base_url: String,
    /// Its bearer token.
    #[serde(default)]
    pub token: Secret,
    /// What a second release with the same reference does; must be as the WMS is set.
    #[serde(default = "usual_class")]
    pub release_class: ReleaseClass,
    /// How long after an unknown outcome its search may miss a release.
    #[serde(default = "usual_quiet_period")]
    pub quiet_period: HumanDuration,
    /// Whether its changes are read; without, it posts its news.
    #[serde(default)]
    pub change_feed: bool,
    /// Connections to it.
    #[serde(default)]
    pub http: BackendClientConfig,
}

impl SandboxWms {
    /// The defaults at an address.
    pub fn at(base_url: String, token: Secret) -> Self {
        Self {
            base_url,
            token,
            release_class: usual_class(),
            quiet_period: usual_quiet_period(),
            change_feed: false,
            http: BackendClientConfig::default(),
        }
    }
}

fn usual_class() -> ReleaseClass {
    ReleaseClass::Unique
}

fn usual_quiet_period() -> HumanDuration {
    HumanDuration::from_secs(5)
}

impl Validate for SandboxWms {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            reqwest::Url::parse(&self.base_url).is_ok_and(|url| url.has_host()),
            "base_url",
            "give an address such as http://127.0.0.1:7102",
        );
        faults.check(
            !self.token.is_empty(),
            "token",
            "give the WMS's token in the environment",
        );
    }
}
