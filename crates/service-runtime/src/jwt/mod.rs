//! Bearer tokens of configured issuers. The library is used here and nowhere else: its defaults let
//! through what this wrapper refuses (absent claims, nbf, unknown `crit`, long lives).

mod axum_layer;
mod claims;
mod keys;
mod verified;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

pub use axum_layer::{bearer_token, require_token};
pub use claims::Principal;
pub use keys::{Algorithm, HttpJwksFetcher, IssuerConfig, IssuerKeys, JwksError, JwksFetcher};

use crate::clock::Clock;
use crate::problem::{Problem, codes};
use claims::Claims;
use keys::{Issuer, KeyLookup};
use verified::Verified;

const MAX_TOKEN: usize = 8 * 1024;
const MAX_KID: usize = 128;
const REFRESH_EVERY: Duration = Duration::from_secs(600);

/// Why a token is refused. The caller is told no more than that; the log gets the reason.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("there is no bearer token")]
    Missing,
    #[error("the token is longer than {MAX_TOKEN} bytes")]
    TooLong,
    #[error("the token is not a signed JWT")]
    Malformed,
    #[error("the token's issuer is not one of ours")]
    UnknownIssuer,
    #[error("the token's header asks for what is not allowed: {0}")]
    Header(&'static str),
    #[error("the token's key is not known")]
    UnknownKey,
    #[error("the issuer's keys cannot be had")]
    NoKeys,
    #[error("the token does not verify")]
    Invalid(#[source] jsonwebtoken::errors::Error),
    #[error("the token's claims are not acceptable: {0}")]
    Claims(&'static str),
}

impl TokenError {
    pub fn into_problem(self) -> Problem {
        match &self {
            Self::Missing => Problem::unauthenticated(
                "Send `Authorization: Bearer <token>` with a token of a configured issuer.",
            ),
            // No key set at all: nobody can be verified, and a new token would not help.
            Self::NoKeys => {
                let detail = "Tokens cannot be verified at the moment; try again later.";
                let problem = Problem::new(codes::BACKEND_UNAVAILABLE, detail).caused_by(&self);
                problem.with_retry_after(jiff::SignedDuration::from_secs(5))
            }
            Self::TooLong
            | Self::Malformed
            | Self::UnknownIssuer
            | Self::Header(_)
            | Self::UnknownKey
            | Self::Invalid(_)
            | Self::Claims(_) => {
                Problem::unauthenticated("The token is not accepted here; get a new one.")
                    .caused_by(&self)
            }
        }
    }
}

/// Verifies tokens; cheap to clone.
#[derive(Clone)]
pub struct TokenVerifier(Arc<Inner>);

struct Inner {
    issuers: HashMap<String, Arc<Issuer>>,
    verified: Verified,
    clock: Clock,
}

impl TokenVerifier {
    /// Fails on static keys that cannot be used; key sets behind an address are fetched when needed.
    pub fn new(
        issuers: Vec<IssuerConfig>,
        fetcher: Arc<dyn JwksFetcher>,
        clock: Clock,
    ) -> Result<Self, JwksError> {
        let build = |config: IssuerConfig| {
            let issuer = Issuer::new(config, Arc::clone(&fetcher), &clock)?;
            Ok((issuer.config.issuer.clone(), Arc::new(issuer)))
        };
        let issuers = issuers
            .into_iter()
            .map(build)
            .collect::<Result<_, JwksError>>()?;
        let verified = Verified::new();
        Ok(Self(Arc::new(Inner {
            issuers,
            verified,
            clock,
        })))
    }

    /// Who the token speaks for.
    pub async fn verify(&self, token: &str) -> Result<Principal, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLong);
        }
        let issuer = self
            .0
            .issuers
            .get(&unverified_issuer(token)?)
            .ok_or(TokenError::UnknownIssuer)?;
        let header = decode_header(token).map_err(TokenError::Invalid)?;
        let kid = check_header(&header, &issuer.config)?;
        let key = match issuer.key(kid, &self.0.clock).await {
            KeyLookup::Found(key) => key,
            KeyLookup::Unknown => return Err(TokenError::UnknownKey),
            KeyLookup::NoKeys => return Err(TokenError::NoKeys),
        };
        let now = self.0.clock.wall();
        if let Some(claims) = self.0.verified.get(token, &key).await {
            claims.check(now)?;
            return Ok(claims.principal());
        }
        let claims = Arc::new(verified_claims(token, &key, &issuer.config)?);
        claims.check(now)?;
        let verified = &self.0.verified;
        verified.insert(token, key, Arc::clone(&claims)).await;
        Ok(claims.principal())
    }

    /// Refreshes all key sets now and then every ten minutes, until told to stop.
    pub async fn refresh_until(&self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(REFRESH_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => self.refresh().await,
            }
        }
    }

    /// Fetches every key set anew; one that cannot be had keeps its last good keys.
    pub async fn refresh(&self) {
        for issuer in self.0.issuers.values() {
            issuer.refresh(self.0.clock.wall()).await;
        }
    }
}

#[derive(Deserialize)]
struct UnverifiedIssuer {
    iss: String,
}

/// Reads `iss` before anything is verified: it only chooses whose keys to try.
fn unverified_issuer(token: &str) -> Result<String, TokenError> {
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::Malformed);
    };
    let bytes = URL_SAFE_NO_PAD
        .decode(payload)
        .ok()
        .ok_or(TokenError::Malformed)?;
    let claims: Option<UnverifiedIssuer> = serde_json::from_slice(&bytes).ok();
    claims.map(|claims| claims.iss).ok_or(TokenError::Malformed)
}

/// Checks the header and gives the key's name. `jku`, `x5u` and `jwk` are not looked at: keys come from
/// configuration only.
fn check_header<'a>(header: &'a Header, config: &IssuerConfig) -> Result<&'a str, TokenError> {
    if header.alg != config.algorithm.library() {
        return Err(TokenError::Header("another algorithm than the issuer's"));
    }
    if header.crit.is_some() {
        return Err(TokenError::Header("a critical extension"));
    }
    if header.zip.is_some() || header.enc.is_some() {
        return Err(TokenError::Header("compression or encryption"));
    }
    let typ = header.typ.as_deref().unwrap_or("").to_ascii_lowercase();
    let typ = typ.strip_prefix("application/").unwrap_or(&typ);
    if typ != "at+jwt" && typ != "jwt" {
        return Err(TokenError::Header("a token type other than JWT or at+jwt"));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let kid = header.kid.as_deref().unwrap_or("");
    if kid.is_empty() || kid.len() > MAX_KID || !kid.bytes().all(allowed) {
        return Err(TokenError::Header("no usable key name"));
    }
    Ok(kid)
}

fn verified_claims(
    token: &str,
    key: &DecodingKey,
    config: &IssuerConfig,
) -> Result<Claims, TokenError> {
    let mut validation = Validation::new(config.algorithm.library());
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    validation.set_audience(&[&config.audience]);
    validation.set_issuer(&[&config.issuer]);
    // Times are checked by `Claims::check`, against the injected clock.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let data = decode::<Claims>(token, key, &validation).map_err(TokenError::Invalid)?;
    Ok(data.claims)
}

#[cfg(test)]
mod tests;
