//! Configuration of the layer: `config/experience-apis.toml` names every key with its default.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use serde::Deserialize;
use service_runtime::{
    config::{ByteSize, Faults, HumanDuration, Secret, Validate},
    http_client::HopConfig,
    jwt::{IssuerConfig, IssuerKeys},
    rate_limit::RateLimitConfig,
    telemetry::LogConfig,
};

/// The configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// One host, no TLS: says so at start, and refuses to listen beyond loopback.
    pub development: bool,
    /// Logs.
    pub log: LogConfig,
    /// The layer below.
    pub process: HopConfig,
    /// Keys of the call context.
    pub context: ContextConfig,
    /// Whose tokens are accepted.
    pub issuers: Vec<IssuerConfig>,
    /// Limits of callers.
    pub limits: Limits,
    /// Limits of a request.
    pub requests: Requests,
    /// The portal.
    pub portal: Portal,
    /// The EDI channel.
    pub edi: Edi,
    /// The punchout channel.
    pub punchout: Punchout,
}

/// Keys with which calls to process-apis are signed; secrets, at least 32 bytes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContextConfig {
    /// experience-apis → process-apis.
    pub process_key: Secret,
}

/// Requests a second, with a burst.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Of one credential.
    pub credential: RateLimitConfig,
    /// Of one account, over all its credentials.
    pub account: RateLimitConfig,
}

/// What one request may cost.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requests {
    /// Until the answer begins; must leave room for `portal.max_wait`.
    pub timeout: HumanDuration,
    /// The size of a JSON body.
    pub max_body: ByteSize,
    /// Requests at work at once.
    pub in_flight: usize,
    /// Of them, those of one credential at the portal.
    pub in_flight_per_credential: usize,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            timeout: HumanDuration::from_secs(45),
            max_body: ByteSize::mib(2),
            in_flight: 1_000,
            in_flight_per_credential: 500,
        }
    }
}

/// The portal.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Portal {
    /// Web origins whose pages may call the portal; none unless named, never `*`.
    pub cors_origins: Vec<String>,
    /// The longest `Prefer: wait`.
    pub max_wait: HumanDuration,
    /// Callers that may wait at once; more are answered without waiting.
    pub max_waiting: usize,
    /// Event streams that may be open at this instance; each keeps a connection.
    pub max_streams: usize,
    /// Of them, those of one account.
    pub max_streams_per_account: usize,
}

impl Default for Portal {
    fn default() -> Self {
        Self {
            cors_origins: Vec::new(),
            max_wait: HumanDuration::from_secs(30),
            max_waiting: 10_000,
            max_streams: 4_000,
            max_streams_per_account: 50,
        }
    }
}

/// The EDI channel.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Edi {
    /// The folder of partner profiles, one file a partner; empty = no partners.
    pub partners_dir: PathBuf,
    /// The size of a file of interchanges.
    pub max_body: ByteSize,
    /// Interchanges in one file.
    pub max_interchanges: usize,
    /// Transaction sets in one interchange.
    pub max_transactions: usize,
    /// Files read at once; more are told to come back.
    pub uploads: usize,
    /// Documents worked on at once.
    pub workers: usize,
}

impl Default for Edi {
    fn default() -> Self {
        Self {
            partners_dir: PathBuf::new(),
            max_body: ByteSize::mib(8),
            max_interchanges: 50,
            max_transactions: 1_000,
            uploads: 4,
            workers: 8,
        }
    }
}

/// The punchout channel.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Punchout {
    /// The folder of partner profiles, one file a partner; empty = no partners.
    pub partners_dir: PathBuf,
    /// The address under which browsers reach the shop; needed where there are partners.
    pub public_url: String,
    /// The key that signs the links to the shop; a secret, at least 32 bytes, needed where there are partners.
    pub link_key: Secret,
    /// How long a buyer may stay in the shop.
    pub session_lifetime: HumanDuration,
    /// How long a start link waits for the buyer.
    pub start_lifetime: HumanDuration,
    /// The size of a document or form that a partner sends.
    pub max_body: ByteSize,
    /// How long the sender of an order waits to hear what becomes of it; after that, a confirmation tells.
    pub order_wait: HumanDuration,
    /// Documents read at once; more are told to come back.
    pub uploads: usize,
    /// Documents worked on at once; beside them, as many are sent.
    pub workers: usize,
    /// Our own secrets towards partners, by partner; secrets.
    pub secrets: BTreeMap<String, Secret>,
}

impl Default for Punchout {
    fn default() -> Self {
        Self {
            partners_dir: PathBuf::new(),
            public_url: String::new(),
            link_key: Secret::default(),
            session_lifetime: HumanDuration::from_secs(8 * 60 * 60),
            start_lifetime: HumanDuration::from_secs(10 * 60),
            max_body: ByteSize::mib(8),
            order_wait: HumanDuration::from_secs(10),
            uploads: 8,
            workers: 8,
            secrets: BTreeMap::new(),
        }
    }
}

impl Punchout {
    /// Our secret towards a partner. An environment variable names a partner with `_` for `-`.
    pub fn secret(&self, partner: &str) -> Option<&Secret> {
        let by_name = |name: &str| self.secrets.get(name).filter(|secret| !secret.is_empty());
        by_name(partner).or_else(|| by_name(&partner.replace('-', "_")))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7003)),
            development: false,
            log: LogConfig::default(),
            process: HopConfig {
                // Longer than process-apis let a repetition wait for its first request, so that their answer is heard.
                timeout: HumanDuration::from_secs(15),
                // A file of `edi.max_body`, in base64.
                max_response: ByteSize::mib(16),
                ..HopConfig::new("http://127.0.0.1:7002")
            },
            context: ContextConfig::default(),
            issuers: Vec::new(),
            limits: Limits::default(),
            requests: Requests::default(),
            portal: Portal::default(),
            edi: Edi::default(),
            punchout: Punchout::default(),
        }
    }
}

impl Validate for Config {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            !self.development || self.listen.ip().is_loopback(),
            "listen",
            "development mode listens on loopback only: choose 127.0.0.1, or set `development = false`",
        );
        faults.within("log", &self.log);
        faults.check(
            is_http(&self.process.base_url),
            "process.base_url",
            "give the address of process-apis, such as http://127.0.0.1:7002",
        );
        faults.within("context", &self.context);
        faults.check(
            !self.issuers.is_empty(),
            "issuers",
            "name at least one token issuer: without it nobody can use the portal",
        );
        for (index, issuer) in self.issuers.iter().enumerate() {
            self.check_issuer(index, issuer, faults);
        }
        let wait = self.portal.max_wait.get();
        faults.check(wait.as_secs() <= 30, "portal.max_wait", "give at most 30s");
        faults.check(
            self.requests.timeout.get() >= wait.saturating_add(std::time::Duration::from_secs(5)),
            "requests.timeout",
            "give at least 5s more than `portal.max_wait`",
        );
        faults.check(
            self.requests.in_flight > 0,
            "requests.in_flight",
            "give at least 1",
        );
        let share = 1..=self.requests.in_flight;
        faults.check(
            share.contains(&self.requests.in_flight_per_credential),
            "requests.in_flight_per_credential",
            "give at least 1, and at most `requests.in_flight`",
        );
        faults.within("portal", &self.portal);
        faults.within("edi", &self.edi);
        faults.within("punchout", &self.punchout);
        // A document comes back in base64, which takes four bytes for three.
        let largest = self.edi.max_body.max(self.punchout.max_body).get();
        let needed = largest.saturating_mul(4).div_euclid(3);
        faults.check(
            self.process.max_response.get() >= needed.saturating_add(1_048_576),
            "process.max_response",
            "give at least 1MiB more than four thirds of `edi.max_body` and `punchout.max_body`",
        );
    }
}

impl Config {
    fn check_issuer(&self, index: usize, issuer: &IssuerConfig, faults: &mut Faults) {
        let key = |name: &str| format!("issuers.{index}.{name}");
        faults.check(
            !issuer.audience.is_empty(),
            &key("audience"),
            "name the audience that tokens must carry",
        );
        if let IssuerKeys::JwksUrl(url) = &issuer.keys {
            let secure = url.starts_with("https://") || (is_http(url) && is_loopback(url));
            faults.check(
                secure,
                &key("keys.jwks_url"),
                "keys are fetched over https; plain http is for loopback only",
            );
        }
    }
}

impl Validate for ContextConfig {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            self.process_key.expose().len() >= 32,
            "process_key",
            "give at least 32 bytes, by ORDERWAY_EXPERIENCE__CONTEXT__PROCESS_KEY, the same in process-apis",
        );
    }
}

impl Validate for Portal {
    fn validate(&self, faults: &mut Faults) {
        for origin in &self.cors_origins {
            let host = origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"));
            let sound = host.is_some_and(|host| {
                !host.is_empty() && !host.contains(['/', '*', '@', '?', '#', ' '])
            });
            let secure = origin.starts_with("https://") || is_loopback(origin);
            faults.check(
                sound && secure,
                "cors_origins",
                format!(
                    "`{origin}` is no origin: write https://shop.example.com, without path and without `*`"
                ),
            );
        }
        faults.check(self.max_waiting > 0, "max_waiting", "give at least 1");
        faults.check(
            (1..=8_000).contains(&self.max_streams),
            "max_streams",
            "give 1 to 8000: an instance has 10000 connections for all its callers",
        );
        faults.check(
            (1..=self.max_streams).contains(&self.max_streams_per_account),
            "max_streams_per_account",
            "give at least 1, and at most `portal.max_streams`",
        );
    }
}

impl Validate for Edi {
    fn validate(&self, faults: &mut Faults) {
        let counts = [
            ("max_interchanges", self.max_interchanges, 1_000),
            ("max_transactions", self.max_transactions, 10_000),
            ("uploads", self.uploads, 1_000),
            ("workers", self.workers, 1_000),
        ];
        for (key, count, most) in counts {
            faults.check(
                (1..=most).contains(&count),
                key,
                format!("give 1 to {most}"),
            );
        }
        let size = self.max_body.get();
        faults.check(
            (1_024..=64 * 1_048_576).contains(&size),
            "max_body",
            "give 1KiB to 64MiB",
        );
    }
}

impl Validate for Punchout {
    fn validate(&self, faults: &mut Faults) {
        let address = &self.public_url;
        let host = address.split_once("://").map_or("", |(_, host)| host);
        faults.check(
            address.is_empty()
                || (is_http(address)
                    && !host.is_empty()
                    && !host.contains(['/', '@', '?', '#', ' '])),
            "public_url",
            "give an origin, such as https://orders.example.com, without a path",
        );
        let key = self.link_key.expose().len();
        faults.check(key == 0 || key >= 32, "link_key", "give at least 32 bytes");
        let minutes = |duration: HumanDuration| duration.get().as_secs().div_euclid(60);
        faults.check(
            (1..=24 * 60).contains(&minutes(self.session_lifetime)),
            "session_lifetime",
            "give 1m to 24h",
        );
        faults.check(
            (1..=60).contains(&minutes(self.start_lifetime)),
            "start_lifetime",
            "give 1m to 1h",
        );
        faults.check(
            self.order_wait.get().as_secs() <= 20,
            "order_wait",
            "give at most 20s",
        );
        for (key, count) in [("uploads", self.uploads), ("workers", self.workers)] {
            faults.check((1..=1_000).contains(&count), key, "give 1 to 1000");
        }
        let size = self.max_body.get();
        faults.check(
            (1_024..=64 * 1_048_576).contains(&size),
            "max_body",
            "give 1KiB to 64MiB",
        );
    }
}

fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

fn is_loopback(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or("");
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use service_runtime::jwt::Algorithm;

    use super::*;

    fn sound() -> Config {
        Config {
            context: ContextConfig {
                process_key: Secret::from("k".repeat(32)),
            },
            issuers: vec![IssuerConfig {
                issuer: "https://issuer.example".to_owned(),
                audience: "orderway".to_owned(),
                algorithm: Algorithm::Es256,
                keys: IssuerKeys::JwksUrl("https://issuer.example/jwks.json".to_owned()),
            }],
            ..Config::default()
        }
    }

    fn faults(config: &Config) -> Vec<String> {
        let mut faults = Faults::default();
        config.validate(&mut faults);
        faults.iter().map(|fault| fault.key.clone()).collect()
    }

    #[test]
    fn a_sound_configuration_has_no_fault() {
        assert_eq!(faults(&sound()), Vec::<String>::new());
    }

    #[test]
    fn without_keys_and_issuers_it_does_not_start() {
        assert_eq!(
            faults(&Config::default()),
            ["context.process_key", "issuers"]
        );
    }

    #[rstest]
    #[case("*", false)]
    #[case("https://*.example.com", false)]
    #[case("https://shop.example.com/", false)]
    #[case("http://shop.example.com", false)]
    #[case("null", false)]
    #[case("https://shop.example.com", true)]
    #[case("http://localhost:3000", true)]
    fn origins_are_named_one_by_one(#[case] origin: &str, #[case] taken: bool) {
        let mut config = sound();
        config.portal.cors_origins = vec![origin.to_owned()];
        assert_eq!(faults(&config).is_empty(), taken);
    }

    #[rstest]
    #[case("http://issuer.example/jwks.json", false)]
    #[case("http://127.0.0.1.evil.example/jwks.json", false)]
    #[case("http://127.0.0.1:7103/jwks.json", true)]
    #[case("http://[::1]:7103/jwks.json", true)]
    fn keys_come_over_https_except_on_loopback(#[case] url: &str, #[case] taken: bool) {
        let mut config = sound();
        config.issuers[0].keys = IssuerKeys::JwksUrl(url.to_owned());
        assert_eq!(faults(&config).is_empty(), taken);
    }

    #[test]
    fn the_shipped_file_names_the_defaults() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
        let issuers = r#"[{issuer="https://issuer.example",audience="orderway",algorithm="ES256",keys={jwks_url="https://issuer.example/jwks.json"}}]"#;
        let key = "k".repeat(32);
        let environment = service_runtime::config::Environment::from([
            ("ORDERWAY_EXPERIENCE__CONTEXT__PROCESS_KEY", key.as_str()),
            ("ORDERWAY_EXPERIENCE__ISSUERS", issuers),
        ]);
        let shipped: Config =
            service_runtime::config::load(crate::LAYER, Some(&folder), &environment).unwrap();
        assert_eq!(format!("{shipped:#?}"), format!("{:#?}", sound()));
    }

    #[test]
    fn development_mode_stays_on_loopback() {
        let mut config = sound();
        config.development = true;
        assert!(faults(&config).is_empty());
        config.listen = "0.0.0.0:7003".parse().unwrap();
        assert_eq!(faults(&config), ["listen"]);
    }
}
