//! The limits of documents.

use serde::Deserialize;
use service_runtime::config::{ByteSize, HumanDuration};

/// The limits of documents.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentsConfig {
    /// The largest request that brings a document's bytes (in base64, a third more than the bytes).
    pub body_limit: ByteSize,
    /// How long a document that is stored, and what is owed for it, is leased to who stored it.
    pub lease: HumanDuration,
    /// How long a document is known by its duplicate keys.
    pub duplicate_keys_kept: HumanDuration,
}

impl Default for DocumentsConfig {
    fn default() -> Self {
        Self {
            body_limit: ByteSize::mib(8),
            lease: HumanDuration::from_secs(30),
            // 13 months: a partner's control numbers come round in a year.
            duplicate_keys_kept: HumanDuration::from_secs(396 * 24 * 60 * 60),
        }
    }
}
