//! The limits of documents.

use serde::Deserialize;
use service_runtime::config::{ByteSize, Faults, HumanDuration, Validate};

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
            // A file of 8 MiB, which experience-apis take by default, in base64.
            body_limit: ByteSize::mib(12),
            lease: HumanDuration::from_secs(30),
            // 13 months: a partner's control numbers come round in a year.
            duplicate_keys_kept: HumanDuration::from_secs(396 * 24 * 60 * 60),
        }
    }
}

impl Validate for DocumentsConfig {
    fn validate(&self, faults: &mut Faults) {
        faults.check(
            self.body_limit >= ByteSize::bytes(64 * 1024),
            "body_limit",
            "give at least 64KiB",
        );
        let lease = self.lease >= HumanDuration::from_secs(1)
            && self.lease <= HumanDuration::from_secs(300);
        faults.check(lease, "lease", "give 1s to 5m");
        let kept = self.duplicate_keys_kept >= HumanDuration::from_secs(24 * 60 * 60)
            && self.duplicate_keys_kept <= HumanDuration::from_secs(3_660 * 24 * 60 * 60);
        faults.check(kept, "duplicate_keys_kept", "give 1d to 3660d");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_eight_mebibytes_fits_in_base64_with_what_stands_around_it() {
        let encoded = (8 * 1024 * 1024_u64).div_ceil(3) * 4;
        let limit = DocumentsConfig::default().body_limit.get();
        assert!(limit >= encoded + 64 * 1024, "{limit}");
    }
}
