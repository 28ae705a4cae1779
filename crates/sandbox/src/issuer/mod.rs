//! A token issuer: OIDC discovery, JWKS and client credentials, with a key of its own.

mod forge;
mod routes;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use jsonwebtoken::jwk::JwkSet;
use serde::Serialize;

pub use self::forge::TokenForge;
use crate::clock::Clock;

/// The audience of every token.
pub const AUDIENCE: &str = "orderway";

/// A client that may fetch tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerClient {
    /// Its id, which becomes `sub`.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// Accounts its tokens are for.
    pub accounts: Vec<String>,
    /// Scopes it may have.
    pub scopes: Vec<String>,
}

impl IssuerClient {
    /// A client whose secret is its id with `-secret` behind.
    pub fn new(id: &str, accounts: &[&str], scopes: &[&str]) -> Self {
        Self {
            id: id.to_owned(),
            secret: format!("{id}-secret"),
            accounts: accounts.iter().map(|&text| text.to_owned()).collect(),
            scopes: scopes.iter().map(|&text| text.to_owned()).collect(),
        }
    }

    /// The clients of the default world.
    pub fn demo() -> Vec<Self> {
        let buyer = [
            "catalog:read",
            "quotes:write",
            "orders:read",
            "orders:write",
            "webhooks:write",
        ];
        vec![
            Self::new("acme-buyer", &["ACME", "ACME-WEST"], &buyer),
            Self::new("acme-west-buyer", &["ACME-WEST"], &buyer),
            Self::new("borealis-buyer", &["BOREALIS"], &buyer),
            Self::new("ops", &[], &["ops:read", "ops:write"]),
        ]
    }
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenClaims {
    /// Issuer.
    pub iss: String,
    /// Audience.
    pub aud: String,
    /// Subject: the client.
    pub sub: String,
    /// The client again, as RFC 9068 has it.
    pub client_id: String,
    /// Issued at, seconds.
    pub iat: i64,
    /// Not before, seconds.
    pub nbf: i64,
    /// Expires at, seconds.
    pub exp: i64,
    /// Identity of this token.
    pub jti: String,
    /// Scopes, separated by spaces.
    pub scope: String,
    /// Accounts it may act for.
    pub accounts: Vec<String>,
    /// The company it may act in.
    pub company: String,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// No such client.
    #[error("the issuer knows no client {0:?}")]
    UnknownClient(String),
    /// The key could not be made.
    #[error("no signing key could be made")]
    Key(#[from] aws_lc_rs::error::Unspecified),
    /// The token could not be signed.
    #[error("the token could not be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// The claims could not be written.
    #[error("the claims could not be written as JSON")]
    Claims(#[from] serde_json::Error),
}

#[derive(Debug)]
struct State {
    forge: TokenForge,
    clients: Vec<IssuerClient>,
    jwks: JwkSet,
}

/// A handle on the issuer.
#[derive(Debug, Clone)]
pub struct Issuer(Arc<State>);

impl Issuer {
    pub(crate) fn new(
        issuer: String,
        company: String,
        clients: Vec<IssuerClient>,
        lifetime: Duration,
        clock: Clock,
    ) -> Result<Self, IssuerError> {
        let forge = TokenForge::new(issuer, company, clients.clone(), lifetime, clock)?;
        let jwks = forge.jwks()?;
        Ok(Self(Arc::new(State {
            forge,
            clients,
            jwks,
        })))
    }

    pub(crate) fn router(&self) -> Router {
        routes::router(self.clone())
    }

    /// Makes tokens without HTTP, right ones and wrong ones.
    pub fn forge(&self) -> TokenForge {
        self.0.forge.clone()
    }
}
