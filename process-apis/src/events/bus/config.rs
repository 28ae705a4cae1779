//! The configuration of the bus: see `[bus]` in config/process-apis.toml.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;
use service_runtime::config::{ByteSize, Faults, HumanDuration, Secret, Validate};

/// Where the public events are published. Without an address nothing is, and no bus is needed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusConfig {
    /// The NATS server: `nats://host:4222`, or several separated by commas; `tls://` for TLS. None = no bus.
    pub url: Option<Secret>,
    /// A credentials file of NATS (JWT and seed).
    pub credentials_file: Option<PathBuf>,
    /// The stream of `JetStream`; made where there is none.
    pub stream: String,
    /// What subjects begin with: `<prefix>.<company>.order.<what>`.
    pub subject_prefix: String,
    /// How long the stream keeps an event, where it is made here.
    pub max_age: HumanDuration,
    /// How much the stream keeps, where it is made here.
    pub max_bytes: ByteSize,
    /// How long the stream knows an event again, where it is made here.
    pub duplicate_window: HumanDuration,
    /// On how many servers the stream is kept, where it is made here.
    pub replicas: usize,
    /// For how long an instance publishes alone; another takes over so long after it has ended.
    pub lease: HumanDuration,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            url: None,
            credentials_file: None,
            stream: "ORDERWAY".to_owned(),
            subject_prefix: "orderway".to_owned(),
            max_age: HumanDuration::from_secs(7 * 24 * 60 * 60),
            max_bytes: ByteSize::mib(10 * 1_024),
            duplicate_window: HumanDuration::from_secs(120),
            replicas: 1,
            lease: HumanDuration::from_secs(15),
        }
    }
}

impl BusConfig {
    /// How often the holder of the lease renews it and looks at the stream.
    pub(super) fn renew(&self) -> Duration {
        self.lease.get() / 3
    }
}

impl Validate for BusConfig {
    fn validate(&self, faults: &mut Faults) {
        let token = |text: &str| {
            !text.is_empty()
                && text.len() <= 100
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let tokens = [
            ("stream", &self.stream),
            ("subject_prefix", &self.subject_prefix),
        ];
        for (name, text) in tokens {
            faults.check(
                token(text),
                name,
                "give 1 to 100 letters, digits, `-` and `_`",
            );
        }
        faults.check(
            self.lease >= HumanDuration::from_millis(500)
                && self.lease <= HumanDuration::from_secs(60),
            "lease",
            "give 500ms to 60s",
        );
        faults.check(
            self.max_age >= HumanDuration::from_secs(3_600),
            "max_age",
            "give at least 1h",
        );
        faults.check(
            self.duplicate_window <= self.max_age,
            "duplicate_window",
            "give at most `max_age`",
        );
        faults.check(
            (1..=5).contains(&self.replicas),
            "replicas",
            "give 1 to 5, an odd number",
        );
    }
}
