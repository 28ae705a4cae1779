//! Configuration of the layer: see config/process-apis.toml for every key.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use jiff::SignedDuration;
use serde::Deserialize;
use service_runtime::{
    config::{ByteSize, Faults, HumanDuration, Secret, Validate},
    http_client::HopConfig,
    telemetry::LogConfig,
};

use crate::{
    documents::DocumentsConfig,
    events::{bus::BusConfig, webhooks::WebhooksConfig},
    intake::IntakeConfig,
    services::{self, ServiceConfig},
    sessions::SessionsConfig,
    store::StoreConfig,
};

/// What begins a key that stands in a committed file and protects nothing.
pub(crate) const DEVELOPMENT_KEY: &str = "development-only";

/// The configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    #[serde(default = "usual_listen")]
    pub listen: SocketAddr,
    /// Development mode: keys from committed files are taken, and only loopback is listened on.
    #[serde(default)]
    pub development: bool,
    /// The log.
    #[serde(default)]
    pub log: LogConfig,
    /// The limits of requests.
    #[serde(default)]
    pub requests: Requests,
    /// The keys of the layers above and below.
    pub context: ContextConfig,
    /// The layer below.
    #[serde(default = "usual_system")]
    pub system: HopConfig,
    /// Where the coordination state is kept.
    #[serde(default)]
    pub store: StoreConfig,
    /// What is done outside.
    #[serde(default)]
    pub effects: EffectsConfig,
    /// What is tidied up.
    #[serde(default)]
    pub housekeeping: HousekeepingConfig,
    /// How long what has ended is kept.
    #[serde(default)]
    pub retention: RetentionConfig,
    /// The limits of channel documents.
    #[serde(default)]
    pub documents: DocumentsConfig,
    /// The limits of channel sessions.
    #[serde(default)]
    pub sessions: SessionsConfig,
    /// How webhooks are sent.
    pub webhooks: WebhooksConfig,
    /// Where events are published.
    #[serde(default)]
    pub bus: BusConfig,
    /// What becomes of news of backends that cannot be applied at once.
    #[serde(default)]
    pub intake: IntakeConfig,
}

fn usual_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7002))
}

fn usual_system() -> HopConfig {
    HopConfig::new("http://127.0.0.1:7001")
}

/// The limits of requests to this layer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requests {
    /// The longest that a request may take; longer than the longest poll of the feed.
    pub timeout: HumanDuration,
    /// The largest body.
    pub max_body: ByteSize,
    /// Requests at work; more are told to come back.
    pub in_flight: usize,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            timeout: HumanDuration::from_secs(40),
            max_body: ByteSize::mib(16),
            in_flight: 2_000,
        }
    }
}

/// The keys of call contexts, one for each hop.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextConfig {
    /// Verifies contexts of `experience-apis`; at least 32 bytes.
    pub experience_key: Secret,
    /// The key before, while keys rotate.
    #[serde(default)]
    pub experience_key_previous: Option<Secret>,
    /// Signs contexts for `system-apis`; at least 32 bytes.
    pub system_key: Secret,
    /// Verifies what `system-apis` deliver from below; at least 32 bytes. Without it nothing is taken from there.
    #[serde(default)]
    pub intake_key: Option<Secret>,
    /// The key before, while keys rotate.
    #[serde(default)]
    pub intake_key_previous: Option<Secret>,
    /// Experience services that are not ours, by name.
    #[serde(default)]
    pub services: BTreeMap<String, ServiceConfig>,
}

/// How effects are done.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EffectsConfig {
    /// How many are done at once.
    pub concurrency: usize,
    /// For how long a worker holds one.
    pub lease: HumanDuration,
    /// The longest that a call to a backend may take.
    pub call_time: HumanDuration,
    /// How often to look for what other instances have written.
    pub poll: HumanDuration,
    /// After so long a person is asked, whatever it is that does not come to an end.
    pub settle_within: HumanDuration,
    /// When to look for what else the ERP has of an order, after it was accepted or has ended; each later than the one
    /// before.
    pub ghost_sweep: Vec<HumanDuration>,
}

impl EffectsConfig {
    /// When to look for what else the ERP has of an order.
    pub fn ghost_sweep(&self) -> Arc<[SignedDuration]> {
        self.ghost_sweep
            .iter()
            .map(|after| after.signed())
            .collect()
    }
}

impl Default for EffectsConfig {
    fn default() -> Self {
        Self {
            concurrency: 32,
            lease: HumanDuration::from_secs(15),
            call_time: HumanDuration::from_secs(10),
            poll: HumanDuration::from_secs(1),
            settle_within: HumanDuration::from_secs(72 * 3600),
            ghost_sweep: [60, 300, 900, 3600, 24 * 3600]
                .map(HumanDuration::from_secs)
                .to_vec(),
        }
    }
}

/// What is tidied up, and how often.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HousekeepingConfig {
    /// Reservations that have run out give their stock back.
    pub reservations_every: HumanDuration,
    /// Stored answers and other rows past their time are deleted.
    pub sweep_every: HumanDuration,
}

impl Default for HousekeepingConfig {
    fn default() -> Self {
        Self {
            reservations_every: HumanDuration::from_secs(1),
            sweep_every: HumanDuration::from_secs(60),
        }
    }
}

/// How long what has ended is kept, before `process-apis retention --apply` removes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Orders that were shipped, rejected or cancelled, with their events and decisions.
    pub orders: HumanDuration,
    /// Quotes, from when they ran out.
    pub quotes: HumanDuration,
    /// Reservations, from when they ended.
    pub reservations: HumanDuration,
    /// Channel documents that nothing is left to do with.
    pub documents: HumanDuration,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            orders: days(3_650),
            quotes: days(400),
            reservations: days(30),
            documents: days(3_650),
        }
    }
}

const fn days(number: u64) -> HumanDuration {
    HumanDuration::from_secs(number * 24 * 60 * 60)
}

impl Validate for RetentionConfig {
    fn validate(&self, faults: &mut Faults) {
        let ages = [
            ("orders", self.orders),
            ("quotes", self.quotes),
            ("reservations", self.reservations),
            ("documents", self.documents),
        ];
        for (name, age) in ages {
            faults.check(
                age >= days(30),
                name,
                "give at least 30d: a shorter time is hard to tell from a slip, and nothing brings it back",
            );
        }
    }
}

impl Validate for Config {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            !self.development || self.listen.ip().is_loopback(),
            "listen",
            "development mode listens on loopback only: use 127.0.0.1, or set development = false",
        );
        faults.within("log", &self.log);
        let keys = [
            (
                "context.experience_key",
                &self.context.experience_key,
                "experience-apis",
            ),
            (
                "context.system_key",
                &self.context.system_key,
                "system-apis",
            ),
        ];
        let intake = self.context.intake_key.as_ref();
        let intake = intake.map(|key| ("context.intake_key", key, "system-apis"));
        for (name, key, layer) in keys.into_iter().chain(intake) {
            let key = key.expose();
            faults.check(
                key.len() >= 32,
                name,
                format!("give at least 32 bytes, the same as {layer} have"),
            );
            faults.check(
                self.development || !key.starts_with(DEVELOPMENT_KEY),
                name,
                "this key stands in a public file: give a secret one in the environment",
            );
        }
        services::check(&self.context, self.development, faults);
        faults.within("system", &self.system);
        faults.within("store", &self.store);
        faults.within("effects", &self.effects);
        faults.within("retention", &self.retention);
        faults.within("documents", &self.documents);
        faults.within("sessions", &self.sessions);
        faults.within("webhooks", &self.webhooks);
        faults.within("bus", &self.bus);
        self.webhooks.validate_mode(self.development, faults);
        faults.within("intake", &self.intake);
        faults.check(
            self.documents.body_limit <= self.requests.max_body,
            "documents.body_limit",
            "give at most requests.max_body, which is looked at first",
        );
        let every = [
            self.housekeeping.reservations_every,
            self.housekeeping.sweep_every,
        ];
        let sound = every
            .iter()
            .all(|every| *every >= HumanDuration::from_millis(10));
        faults.check(sound, "housekeeping", "give at least 10ms");
    }
}

impl Validate for EffectsConfig {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            (1..=1_000).contains(&self.concurrency),
            "concurrency",
            "give 1 to 1000",
        );
        let lease = self.lease >= HumanDuration::from_secs(5)
            && self.lease <= HumanDuration::from_secs(300);
        faults.check(lease, "lease", "give 5s to 5m");
        let call_time =
            self.call_time >= HumanDuration::from_secs(1) && self.call_time < self.lease;
        faults.check(
            call_time,
            "call_time",
            "give at least 1s, and less than the lease",
        );
        faults.check(
            self.poll >= HumanDuration::from_millis(10),
            "poll",
            "give at least 10ms",
        );
        faults.check(
            self.settle_within >= HumanDuration::from_secs(60),
            "settle_within",
            "give at least 1m",
        );
        let mut after = HumanDuration::from_secs(0);
        let later = |look: &HumanDuration| *look > std::mem::replace(&mut after, *look);
        faults.check(
            self.ghost_sweep.len() <= 20 && self.ghost_sweep.iter().all(later),
            "ghost_sweep",
            "give at most 20 times, each later than the one before",
        );
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use service_runtime::config::{ConfigError, Environment, load};

    use super::*;

    fn committed(environment: &Environment) -> Result<Config, ConfigError> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
        load(crate::LAYER, Some(&directory), environment)
    }

    #[test]
    fn the_committed_file_is_sound_and_says_the_defaults() {
        let config = committed(&Environment::default()).unwrap();
        assert!(config.development);
        let usual = EffectsConfig::default();
        assert_eq!(
            (config.effects.concurrency, config.effects.lease),
            (usual.concurrency, usual.lease)
        );
        assert_eq!(config.store.path, StoreConfig::default().path);
        assert_eq!(config.retention, RetentionConfig::default());
        assert_eq!(config.documents, DocumentsConfig::default());
        assert_eq!(config.sessions, SessionsConfig::default());
        assert_eq!(config.intake, IntakeConfig::default());
        let bus = BusConfig::default();
        assert_eq!(format!("{:?}", config.bus), format!("{bus:?}"));
        assert!(config.context.intake_key.is_some());
    }

    #[test]
    fn public_keys_and_open_addresses_are_refused() {
        let production = Environment::from([("ORDERWAY_PROCESS__DEVELOPMENT", "false")]);
        let faults = committed(&production).unwrap_err().to_string();
        assert!(
            faults.contains("context.experience_key") && faults.contains("context.system_key"),
            "{faults}"
        );
        let open = Environment::from([("ORDERWAY_PROCESS__LISTEN", "0.0.0.0:7002")]);
        let faults = committed(&open).unwrap_err().to_string();
        assert!(faults.contains("loopback"), "{faults}");
    }

    #[test]
    fn a_document_that_no_request_could_bring_is_refused() {
        let environment = Environment::from([("ORDERWAY_PROCESS__DOCUMENTS__BODY_LIMIT", "17MiB")]);
        let faults = committed(&environment).unwrap_err().to_string();
        assert!(faults.contains("documents.body_limit"), "{faults}");
    }

    #[test]
    fn a_call_that_could_outlast_its_lease_is_refused() {
        let environment = Environment::from([("ORDERWAY_PROCESS__EFFECTS__CALL_TIME", "15s")]);
        let faults = committed(&environment).unwrap_err().to_string();
        assert!(faults.contains("effects.call_time"), "{faults}");
    }
}
