//! News of backends: what they send, its signature checked over the bytes as they came, and what is read from their change
//! feeds; put into canonical words by their connector, and delivered upward.
//!
//! A backend is told that they are taken, and its cursor moved, only once that delivery is durable.

pub mod deliver;
pub mod feed;
pub mod poll;
pub mod routes;
pub mod signature;
mod sort;
#[cfg(test)]
mod tests;

use axum::http::HeaderMap;
use canonical_model::shipment::ShipmentNews;
use jiff::Timestamp;
use serde::Deserialize;
use service_runtime::config::{Faults, Secret, Validate};

/// What a backend signs its news with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewsConfig {
    /// The secret in use.
    pub secret: Secret,
    /// The one before, while they rotate.
    #[serde(default)]
    pub secret_previous: Option<Secret>,
}

impl NewsConfig {
    /// The secrets that are believed.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.secret).chain(&self.secret_previous)
    }
}

impl Validate for NewsConfig {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            self.secrets().all(|secret| secret.expose().len() >= 16),
            "secret",
            "give at least 16 bytes, the same as the backend signs with",
        );
    }
}

/// What a backend posted.
pub struct Posted<'a> {
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body as it came.
    pub body: &'a [u8],
    /// When it came.
    pub at: Timestamp,
    /// What its sender signs with.
    pub config: &'a NewsConfig,
}

/// Why something posted is not news.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NewsError {
    /// Nobody who may has signed it, or long ago.
    #[error("the signature is missing, wrong, or not of this time")]
    Unsigned,
    /// It is signed, and cannot be understood.
    #[error("{0}")]
    Unreadable(String),
}

/// The news of one posting.
pub type ReadNews = Result<Vec<ShipmentNews>, NewsError>;
