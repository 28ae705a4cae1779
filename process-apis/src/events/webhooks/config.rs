//! The configuration of webhooks: see `[webhooks]` in config/process-apis.toml.

use serde::Deserialize;
use service_runtime::{
    config::{Faults, HumanDuration, Secret, Validate},
    http_client::{OutboundConfig, Targets},
};

use crate::config::DEVELOPMENT_KEY;

/// What must remain of a lease after the last call's time is over, to write down what came of it.
pub const MARGIN: HumanDuration = HumanDuration::from_secs(2);

/// How webhooks are sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhooksConfig {
    /// Encrypts signing secrets in the store; at least 32 bytes.
    pub secret_key: Secret,
    /// The key before, while keys rotate.
    #[serde(default)]
    pub secret_key_previous: Option<Secret>,
    /// This machine itself may be called, without TLS; in development mode only.
    #[serde(default)]
    pub allow_loopback: bool,
    /// Ports that may be called.
    #[serde(default = "usual_ports")]
    pub ports: Vec<u16>,
    /// For a connection to stand.
    #[serde(default = "usual_connect_timeout")]
    pub connect_timeout: HumanDuration,
    /// For a whole call.
    #[serde(default = "usual_timeout")]
    pub timeout: HumanDuration,
    /// For how long an instance sends for a subscription before another may.
    #[serde(default = "usual_lease")]
    pub lease: HumanDuration,
    /// How often to look for what other instances have written.
    #[serde(default = "usual_poll")]
    pub poll: HumanDuration,
    /// Subscriptions served at once; a quarter of that is for those that fail.
    #[serde(default = "usual_concurrency")]
    pub concurrency: usize,
    /// Orders of one subscription sent at once.
    #[serde(default = "usual_per_subscription")]
    pub per_subscription: usize,
    /// Orders of one subscription that may wait; with more, all of it waits.
    #[serde(default = "usual_max_waiting")]
    pub max_waiting: u16,
    /// For how long an event, or a receiver that takes nothing, is tried.
    #[serde(default = "usual_retry_for")]
    pub retry_for: HumanDuration,
    /// Subscriptions of one account.
    #[serde(default = "usual_max_per_account")]
    pub max_per_account: u32,
}

fn usual_ports() -> Vec<u16> {
    vec![443, 8443]
}

fn usual_connect_timeout() -> HumanDuration {
    HumanDuration::from_secs(5)
}

fn usual_timeout() -> HumanDuration {
    HumanDuration::from_secs(10)
}

fn usual_lease() -> HumanDuration {
    HumanDuration::from_secs(15)
}

fn usual_poll() -> HumanDuration {
    HumanDuration::from_secs(1)
}

fn usual_concurrency() -> usize {
    64
}

fn usual_per_subscription() -> usize {
    8
}

fn usual_max_waiting() -> u16 {
    1_000
}

fn usual_retry_for() -> HumanDuration {
    HumanDuration::from_secs(72 * 3_600)
}

fn usual_max_per_account() -> u32 {
    10
}

impl WebhooksConfig {
    /// The defaults, under a key.
    pub fn new(secret_key: Secret) -> Self {
        Self {
            secret_key,
            secret_key_previous: None,
            allow_loopback: false,
            ports: usual_ports(),
            connect_timeout: usual_connect_timeout(),
            timeout: usual_timeout(),
            lease: usual_lease(),
            poll: usual_poll(),
            concurrency: usual_concurrency(),
            per_subscription: usual_per_subscription(),
            max_waiting: usual_max_waiting(),
            retry_for: usual_retry_for(),
            max_per_account: usual_max_per_account(),
        }
    }

    /// The client's part.
    pub fn outbound(&self) -> OutboundConfig {
        OutboundConfig {
            targets: Targets {
                ports: self.ports.iter().copied().collect(),
                loopback: self.allow_loopback,
            },
            connect_timeout: self.connect_timeout,
            timeout: self.timeout,
        }
    }

    /// What holds outside of development mode only.
    pub fn validate_mode(&self, development: bool, faults: &mut Faults) {
        faults.check(
            development || !self.secret_key.expose().starts_with(DEVELOPMENT_KEY),
            "webhooks.secret_key",
            "this key stands in a public file: give a secret one in the environment",
        );
        faults.check(
            development || !self.allow_loopback,
            "webhooks.allow_loopback",
            "this machine itself is called in development mode only: set it to false",
        );
    }
}

impl Validate for WebhooksConfig {
    fn validate(&self, faults: &mut Faults) {
        let keys = std::iter::once(&self.secret_key).chain(&self.secret_key_previous);
        let long = keys.map(Secret::expose).all(|key| key.len() >= 32);
        faults.check(long, "secret_key", "give at least 32 bytes");
        faults.check(
            !self.ports.is_empty() && !self.ports.contains(&0),
            "ports",
            "name at least one port, such as 443",
        );
        let time = self
            .timeout
            .get()
            .saturating_add(MARGIN.get())
            .saturating_add(MARGIN.get());
        faults.check(
            !self.connect_timeout.get().is_zero() && self.connect_timeout <= self.timeout,
            "connect_timeout",
            "give more than 0ms, and at most timeout",
        );
        faults.check(
            time <= self.lease.get(),
            "timeout",
            "give at least 4s less than the lease",
        );
        faults.check(
            self.lease <= HumanDuration::from_secs(300),
            "lease",
            "give at most 5m",
        );
        faults.check(
            self.poll >= HumanDuration::from_millis(10),
            "poll",
            "give at least 10ms",
        );
        faults.check(
            (4..=1_000).contains(&self.concurrency),
            "concurrency",
            "give 4 to 1000",
        );
        faults.check(
            (1..=64).contains(&self.per_subscription),
            "per_subscription",
            "give 1 to 64",
        );
        faults.check(
            (1..=10_000).contains(&self.max_waiting),
            "max_waiting",
            "give 1 to 10000",
        );
        faults.check(
            self.retry_for >= HumanDuration::from_secs(60),
            "retry_for",
            "give at least 1m",
        );
    }
}
