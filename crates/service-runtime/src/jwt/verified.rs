//! Tokens whose signature was checked: the same bytes under the same key need no second look. What time decides is decided anew
//! with each request, and a key that its issuer has taken back, or sends once more, verifies nothing that is remembered.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use jsonwebtoken::DecodingKey;
use moka::future::Cache;

use super::claims::Claims;

/// So many bytes of tokens are remembered, some thousands of callers; of more, those that are rarely seen are checked again.
const MOST: u64 = 8 * 1024 * 1024;
/// A token lives no longer.
const LIFETIME: Duration = Duration::from_secs(3_600);

type Fingerprint = [u8; digest::SHA256_OUTPUT_LEN];

/// What a token says, and the key that says so.
#[derive(Clone)]
struct Known {
    key: Arc<DecodingKey>,
    claims: Arc<Claims>,
    /// Of the token: what it says takes about as much.
    bytes: u32,
}

/// The tokens of a verifier. It keeps no token, but what tells it from all others.
pub(super) struct Verified(Cache<Fingerprint, Known>);

impl Verified {
    pub(super) fn new() -> Self {
        let cache = Cache::builder()
            .weigher(|_, known: &Known| known.bytes)
            .max_capacity(MOST)
            .time_to_live(LIFETIME);
        Self(cache.build())
    }

    /// What these bytes say, if this very key has verified them.
    pub(super) async fn get(&self, token: &str, key: &Arc<DecodingKey>) -> Option<Arc<Claims>> {
        let known = self.0.get(&fingerprint(token)?).await?;
        Arc::ptr_eq(&known.key, key).then_some(known.claims)
    }

    pub(super) async fn insert(&self, token: &str, key: Arc<DecodingKey>, claims: Arc<Claims>) {
        if let Some(fingerprint) = fingerprint(token) {
            let bytes = u32::try_from(token.len()).unwrap_or(u32::MAX);
            let known = Known { key, claims, bytes };
            self.0.insert(fingerprint, known).await;
        }
    }
}

fn fingerprint(token: &str) -> Option<Fingerprint> {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().ok()
}
