//! The client for backends: no redirects, no proxy from the environment, bounded in time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::HumanDuration;

/// How patient a connector is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackendClientConfig {
    pub connect_timeout: HumanDuration,
    /// For a whole call, body included; a deadline may be shorter.
    pub timeout: HumanDuration,
    pub max_idle_connections: usize,
}

impl Default for BackendClientConfig {
    fn default() -> Self {
        Self {
            connect_timeout: HumanDuration::from_secs(2),
            timeout: HumanDuration::from_secs(30),
            max_idle_connections: 32,
        }
    }
}

/// A client for one backend; connectors share it.
pub fn backend_client(config: &BackendClientConfig) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .connect_timeout(config.connect_timeout.get())
        .timeout(config.timeout.get())
        // A backend that redirects is misconfigured, or someone else.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tcp_nodelay(true)
        .pool_max_idle_per_host(config.max_idle_connections)
        .pool_idle_timeout(Duration::from_secs(30))
        // The guard decides on retries; a second attempt behind its back would not be counted.
        .retry(reqwest::retry::never())
        .gzip(true)
        .user_agent(concat!("orderway/", env!("CARGO_PKG_VERSION")))
        .build()
}
