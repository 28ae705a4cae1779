//! Tokens for tests: right ones, and the wrong ones a verifier must refuse.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{AUDIENCE, IssuerClient, IssuerError, TokenClaims};
use crate::clock::Clock;

/// Makes tokens under the issuer's key, or under none, or under another's.
#[derive(Clone)]
pub struct TokenForge {
    issuer: String,
    company: String,
    clients: Vec<IssuerClient>,
    lifetime: Duration,
    clock: Clock,
    key: EncodingKey,
    foreign: EncodingKey,
    key_id: String,
}

impl TokenForge {
    pub(super) fn new(
        issuer: String,
        company: String,
        clients: Vec<IssuerClient>,
        lifetime: Duration,
        clock: Clock,
    ) -> Result<Self, IssuerError> {
        Ok(Self {
            issuer,
            company,
            clients,
            lifetime,
            clock,
            key: new_key()?,
            foreign: new_key()?,
            key_id: Uuid::new_v4().simple().to_string(),
        })
    }

    /// The public key, as the JWKS has it.
    pub fn jwks(&self) -> Result<JwkSet, IssuerError> {
        let mut jwk = Jwk::from_encoding_key(&self.key, Algorithm::ES256)?;
        jwk.common.key_id = Some(self.key_id.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        jwk.common.key_algorithm = Some(KeyAlgorithm::ES256);
        Ok(JwkSet { keys: vec![jwk] })
    }

    /// A valid token of a configured client, with all its scopes.
    pub fn token(&self, client_id: &str) -> Result<String, IssuerError> {
        self.sign(&self.claims(client_id)?)
    }

    /// The claims of a valid token, to be changed and signed.
    pub fn claims(&self, client_id: &str) -> Result<TokenClaims, IssuerError> {
        let client = self.clients.iter().find(|client| client.id == client_id);
        let client = client.ok_or_else(|| IssuerError::UnknownClient(client_id.to_owned()))?;
        Ok(self.claims_of(client, &client.scopes))
    }

    pub(super) fn claims_of(&self, client: &IssuerClient, scopes: &[String]) -> TokenClaims {
        let now = self.clock.now().as_second();
        TokenClaims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: client.id.clone(),
            client_id: client.id.clone(),
            iat: now,
            nbf: now,
            exp: now.saturating_add(seconds(self.lifetime)),
            jti: Uuid::new_v4().to_string(),
            scope: scopes.join(" "),
            accounts: client.accounts.clone(),
            company: self.company.clone(),
        }
    }

    /// How long a token is valid, in seconds.
    pub(super) fn lifetime_seconds(&self) -> i64 {
        seconds(self.lifetime)
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Signs any claims with the issuer's key: a wrong audience, a foreign `iss`, a missing field.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, IssuerError> {
        Ok(encode(&self.header(&self.key_id), claims, &self.key)?)
    }

    /// Expired an hour ago.
    pub fn expired(&self, claims: TokenClaims) -> Result<String, IssuerError> {
        let hours = |hours| {
            self.clock
                .now()
                .saturating_sub(SignedDuration::from_hours(hours))
        };
        let second = |hours_ago| hours(hours_ago).map_or(0, |at| at.as_second());
        self.sign(&TokenClaims {
            iat: second(2),
            nbf: second(2),
            exp: second(1),
            ..claims
        })
    }

    /// Valid only in an hour.
    pub fn not_yet_valid(&self, claims: TokenClaims) -> Result<String, IssuerError> {
        let hour = 3600;
        self.sign(&TokenClaims {
            nbf: claims.nbf.saturating_add(hour),
            exp: claims.exp.saturating_add(hour),
            ..claims
        })
    }

    /// For another audience.
    pub fn wrong_audience(&self, claims: TokenClaims) -> Result<String, IssuerError> {
        self.sign(&TokenClaims {
            aud: "someone-else".to_owned(),
            ..claims
        })
    }

    /// Under our key, but naming another issuer.
    pub fn foreign_issuer(&self, claims: TokenClaims) -> Result<String, IssuerError> {
        self.sign(&TokenClaims {
            iss: "http://issuer.example".to_owned(),
            ..claims
        })
    }

    /// Under another key that claims to be ours.
    pub fn foreign_key(&self, claims: TokenClaims) -> Result<String, IssuerError> {
        Ok(encode(&self.header(&self.key_id), &claims, &self.foreign)?)
    }

    /// Under our key, but naming a key the JWKS does not have.
    pub fn unknown_key_id(&self, claims: TokenClaims) -> Result<String, IssuerError> {
        Ok(encode(&self.header("no-such-key"), &claims, &self.key)?)
    }

    /// `alg: none` and no signature.
    pub fn unsigned(&self, claims: TokenClaims) -> Result<String, IssuerError> {
        self.raw(
            &json!({ "alg": "none", "typ": "at+jwt", "kid": self.key_id }),
            &serde_json::to_value(claims)?,
            b"",
        )
    }

    /// HS256 with the public key as the secret.
    pub fn symmetric_with_public_key(&self, claims: TokenClaims) -> Result<String, IssuerError> {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(self.key_id.clone());
        let public = serde_json::to_vec(&self.jwks()?.keys)?;
        Ok(encode(
            &header,
            &claims,
            &EncodingKey::from_secret(&public),
        )?)
    }

    /// Signed as `signed`, then read as `shown`.
    pub fn tampered(&self, signed: TokenClaims, shown: TokenClaims) -> Result<String, IssuerError> {
        let token = self.sign(&signed)?;
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&shown)?);
        let mut parts = token.split('.');
        let header = parts.next().unwrap_or_default();
        let signature = parts.nth(1).unwrap_or_default();
        Ok(format!("{header}.{payload}.{signature}"))
    }

    /// Any header, any payload, any signature.
    pub fn raw(
        &self,
        header: &Value,
        payload: &Value,
        signature: &[u8],
    ) -> Result<String, IssuerError> {
        let part = |value: &Value| serde_json::to_vec(value).map(|v| URL_SAFE_NO_PAD.encode(v));
        let (header, payload) = (part(header)?, part(payload)?);
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Ok(format!("{header}.{payload}.{signature}"))
    }

    fn header(&self, key_id: &str) -> Header {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(key_id.to_owned());
        header
    }
}

impl fmt::Debug for TokenForge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenForge")
            .field("issuer", &self.issuer)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

fn new_key() -> Result<EncodingKey, IssuerError> {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?;
    Ok(EncodingKey::from_ec_der(document.as_ref()))
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
