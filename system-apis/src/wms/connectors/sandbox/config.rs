//! The settings of a sandbox WMS.

use serde::Deserialize;
use service_runtime::{
    config::{Faults, Secret, Validate},
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
    /// Whether it refuses a second release with the same reference; must be as the WMS is set.
    #[serde(default = "usual_uniqueness")]
    pub unique_reference: bool,
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
            unique_reference: usual_uniqueness(),
            http: BackendClientConfig::default(),
        }
    }
}

fn usual_uniqueness() -> bool {
    true
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
