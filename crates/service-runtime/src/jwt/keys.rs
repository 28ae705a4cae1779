//! The keys of an issuer: fetched at most every thirty seconds, kept for a day when the issuer is away.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::config::{Faults, Validate};
use crate::telemetry::error_chain;

const MAX_JWKS: usize = 256 * 1024;
const MAX_KEYS: usize = 100;
/// 2048 bits.
const MIN_RSA_MODULUS: usize = 256;
const COOL_DOWN: SignedDuration = SignedDuration::from_secs(30);
/// While there are no keys at all, as when the issuer starts later than we do.
const FIRST_COOL_DOWN: SignedDuration = SignedDuration::from_secs(5);
const MAX_AGE: SignedDuration = SignedDuration::from_hours(24);

/// The one algorithm of an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    pub(super) fn library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Whether a key is of this algorithm's family, and strong enough.
    fn fits(self, parameters: &AlgorithmParameters) -> bool {
        match (self, parameters) {
            (Self::Rs256, AlgorithmParameters::RSA(key)) => {
                let modulus = URL_SAFE_NO_PAD.decode(&key.n).unwrap_or_default();
                modulus.iter().skip_while(|byte| **byte == 0).count() >= MIN_RSA_MODULUS
            }
            (Self::Es256, AlgorithmParameters::EllipticCurve(key)) => {
                key.curve == EllipticCurve::P256
            }
            (Self::EdDsa, AlgorithmParameters::OctetKeyPair(key)) => {
                key.curve == EllipticCurve::Ed25519
            }
            _ => false,
        }
    }
}

/// An issuer whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// Exactly as in the token's `iss`.
    pub issuer: String,
    /// Must be in the token's `aud`.
    pub audience: String,
    pub algorithm: Algorithm,
    pub keys: IssuerKeys,
}

impl Validate for IssuerConfig {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            !self.issuer.is_empty(),
            "issuer",
            "give the `iss` of the issuer's tokens",
        );
        faults.check(
            !self.audience.is_empty(),
            "audience",
            "give the `aud` that tokens for us carry",
        );
        if let IssuerKeys::JwksUrl(url) = &self.keys {
            let uri = url.parse::<http::Uri>().ok();
            let host = uri.as_ref().and_then(http::Uri::host).unwrap_or("");
            let scheme = uri.as_ref().and_then(http::Uri::scheme_str).unwrap_or("");
            // Whoever can change the keys on their way can be anyone.
            let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
            let safe = !host.is_empty() && (scheme == "https" || (scheme == "http" && loopback));
            faults.check(
                safe,
                "keys.jwks_url",
                "give an https address (plain http only on loopback)",
            );
        }
    }
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssuerKeys {
    /// The address of a JWKS document.
    JwksUrl(String),
    /// The document itself.
    Jwks(String),
}

/// Why keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    #[error("the key set cannot be fetched")]
    Fetch(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the key set is answered with status {0}")]
    Status(u16),
    #[error("the key set is larger than {MAX_JWKS} bytes or {MAX_KEYS} keys")]
    TooLarge,
    #[error("the key set is not readable")]
    Malformed(#[source] serde_json::Error),
    #[error("the key set of {issuer} holds no {algorithm} key")]
    Empty {
        issuer: String,
        algorithm: &'static str,
    },
}

/// Fetches a key set document; tests give their own.
#[async_trait]
pub trait JwksFetcher: Send + Sync {
    async fn fetch(&self, url: &str) -> Result<Vec<u8>, JwksError>;
}

/// Over HTTP, with the limits of a backend client.
#[derive(Clone, Debug)]
pub struct HttpJwksFetcher(reqwest::Client);

impl HttpJwksFetcher {
    pub fn new(client: reqwest::Client) -> Self {
        Self(client)
    }
}

#[async_trait]
impl JwksFetcher for HttpJwksFetcher {
    async fn fetch(&self, url: &str) -> Result<Vec<u8>, JwksError> {
        let fetch = |error: reqwest::Error| JwksError::Fetch(error.into());
        let request = self.0.get(url).timeout(std::time::Duration::from_secs(5));
        let mut response = request.send().await.map_err(fetch)?;
        if response.status() != http::StatusCode::OK {
            return Err(JwksError::Status(response.status().as_u16()));
        }
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(fetch)? {
            if document.len().saturating_add(chunk.len()) > MAX_JWKS {
                return Err(JwksError::TooLarge);
            }
            document.extend_from_slice(&chunk);
        }
        Ok(document)
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

struct KeySet {
    by_name: HashMap<String, Arc<DecodingKey>>,
    fetched_at: Timestamp,
}

impl KeySet {
    /// Keys of other families, uses or names are left out; a set without any of ours is refused.
    fn parse(
        config: &IssuerConfig,
        document: &[u8],
        fetched_at: Timestamp,
    ) -> Result<Self, JwksError> {
        if document.len() > MAX_JWKS {
            return Err(JwksError::TooLarge);
        }
        let document: Document = serde_json::from_slice(document).map_err(JwksError::Malformed)?;
        if document.keys.len() > MAX_KEYS {
            return Err(JwksError::TooLarge);
        }
        let keys = document
            .keys
            .into_iter()
            .filter_map(|key| usable(config.algorithm, key));
        let by_name: HashMap<_, _> = keys.collect();
        if by_name.is_empty() {
            let (issuer, algorithm) = (config.issuer.clone(), config.algorithm.name());
            return Err(JwksError::Empty { issuer, algorithm });
        }
        Ok(Self {
            by_name,
            fetched_at,
        })
    }
}

fn usable(algorithm: Algorithm, key: serde_json::Value) -> Option<(String, Arc<DecodingKey>)> {
    // One key of a kind we do not know must not cost us the others.
    let named = key
        .get("alg")
        .and_then(serde_json::Value::as_str)
        .map(str::to_owned);
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    let signs = matches!(
        jwk.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    );
    let same = named.is_none_or(|name| name == algorithm.name());
    if !signs || !same || !algorithm.fits(&jwk.algorithm) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some((jwk.common.key_id?, Arc::new(key)))
}

/// What is known of a key's name.
pub(super) enum KeyLookup {
    Found(Arc<DecodingKey>),
    Unknown,
    /// No key set that may still be used.
    NoKeys,
}

pub(super) struct Issuer {
    pub(super) config: IssuerConfig,
    fetcher: Arc<dyn JwksFetcher>,
    keys: ArcSwapOption<KeySet>,
    /// Held while fetching, so that many callers are one fetch.
    attempt: tokio::sync::Mutex<()>,
    attempted_at: std::sync::Mutex<Option<Timestamp>>,
}

impl Issuer {
    pub(super) fn new(
        config: IssuerConfig,
        fetcher: Arc<dyn JwksFetcher>,
        clock: &Clock,
    ) -> Result<Self, JwksError> {
        let keys = match &config.keys {
            IssuerKeys::Jwks(document) => {
                Some(KeySet::parse(&config, document.as_bytes(), clock.now())?)
            }
            IssuerKeys::JwksUrl(_) => None,
        };
        let keys = ArcSwapOption::from_pointee(keys);
        Ok(Self {
            config,
            fetcher,
            keys,
            attempt: tokio::sync::Mutex::new(()),
            attempted_at: std::sync::Mutex::new(None),
        })
    }

    pub(super) async fn key(self: &Arc<Self>, kid: &str, clock: &Clock) -> KeyLookup {
        let known = self.known(kid, clock.now());
        let in_flight = self.attempt.try_lock().is_err();
        if matches!(known, KeyLookup::Found(_)) || !(in_flight || self.may_attempt(clock.now())) {
            return known;
        }
        // In a task of its own: a caller that hangs up must not cost the others their keys.
        let (issuer, clock_of_task) = (Arc::clone(self), clock.clone());
        let wanted = kid.to_owned();
        let fetching = tokio::spawn(async move {
            let _single_flight = issuer.attempt.lock().await;
            let now = clock_of_task.now();
            // Whoever waited here may find that another has just fetched.
            if issuer.may_attempt(now) && !matches!(issuer.known(&wanted, now), KeyLookup::Found(_))
            {
                issuer.fetch(now).await;
            }
        });
        // A task that panicked has fetched nothing; the lookup below tells.
        drop(fetching.await);
        self.known(kid, clock.now())
    }

    pub(super) async fn refresh(&self, now: Timestamp) {
        let _single_flight = self.attempt.lock().await;
        self.fetch(now).await;
    }

    fn known(&self, kid: &str, now: Timestamp) -> KeyLookup {
        let keys = self.keys.load();
        let fetched = matches!(self.config.keys, IssuerKeys::JwksUrl(_));
        let usable = keys
            .as_ref()
            .filter(|set| !fetched || now.duration_since(set.fetched_at) <= MAX_AGE);
        match usable {
            Some(set) => set
                .by_name
                .get(kid)
                .map_or(KeyLookup::Unknown, |key| KeyLookup::Found(Arc::clone(key))),
            None => KeyLookup::NoKeys,
        }
    }

    fn may_attempt(&self, now: Timestamp) -> bool {
        let last = *self
            .attempted_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let pause = if self.keys.load().is_some() {
            COOL_DOWN
        } else {
            FIRST_COOL_DOWN
        };
        let cool = last.is_none_or(|last| now.duration_since(last).abs() >= pause);
        cool && matches!(self.config.keys, IssuerKeys::JwksUrl(_))
    }

    async fn fetch(&self, now: Timestamp) {
        let IssuerKeys::JwksUrl(url) = &self.config.keys else {
            return;
        };
        *self
            .attempted_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(now);
        let fetched = self.fetcher.fetch(url).await;
        match fetched.and_then(|document| KeySet::parse(&self.config, &document, now)) {
            Ok(set) => self.keys.store(Some(Arc::new(set))),
            Err(error) => {
                let error = error_chain(&error);
                tracing::warn!(
                    issuer = self.config.issuer,
                    error,
                    "the issuer's keys were not refreshed"
                );
            }
        }
    }
}
