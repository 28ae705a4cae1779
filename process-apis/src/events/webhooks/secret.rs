//! Signing secrets: made here, kept encrypted, and what they sign (Standard Webhooks 1.0: `v1`, HMAC-SHA256).

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    digest, hmac, rand,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use canonical_model::SubscriptionId;
use jiff::Timestamp;
use service_runtime::config::Secret;

use crate::store::SealedSecret;

/// Bytes of a secret.
const LENGTH: usize = 32;
/// Bytes of a nonce of AES-GCM.
const NONCE: usize = 12;
/// What a secret begins with, as text.
const PREFIX: &str = "whsec_";

/// Why a secret cannot be made or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The system gives no random bytes, or the key cannot be used.
    #[error("a signing secret cannot be made")]
    Make,
    /// What is stored was encrypted under another key.
    #[error("a stored signing secret cannot be read: see `webhooks.secret_key`")]
    Open,
}

/// A signing secret.
#[derive(Clone)]
pub struct SigningSecret([u8; LENGTH]);

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SigningSecret(…)")
    }
}

impl SigningSecret {
    /// A new one.
    pub fn generate() -> Result<Self, SecretError> {
        let mut bytes = [0_u8; LENGTH];
        rand::fill(&mut bytes).map_err(|_unspecified| SecretError::Make)?;
        Ok(Self(bytes))
    }

    /// As it is given to the subscriber, once.
    pub fn text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.0))
    }
}

/// The value of `webhook-signature`: one signature a secret, separated by blanks.
pub fn signatures(secrets: &[SigningSecret], id: &str, at: Timestamp, body: &[u8]) -> String {
    let signed = secrets.iter().map(|secret| sign(&secret.0, id, at, body));
    signed.collect::<Vec<_>>().join(" ")
}

fn sign(secret: &[u8], id: &str, at: Timestamp, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    context.update(format!("{id}.{}.", at.as_second()).as_bytes());
    context.update(body);
    format!("v1,{}", STANDARD.encode(context.sign()))
}

/// The keys under which secrets are kept. Each is bound to its subscription: it cannot be moved to another.
pub struct SecretKeys(Vec<RandomizedNonceKey>);

impl std::fmt::Debug for SecretKeys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SecretKeys({})", self.0.len())
    }
}

impl SecretKeys {
    /// The newest key, and the one before while keys rotate.
    pub fn new(newest: &Secret, previous: Option<&Secret>) -> Result<Self, SecretError> {
        let keys = std::iter::once(newest).chain(previous).map(|secret| {
            let key = digest::digest(&digest::SHA256, secret.expose().as_bytes());
            RandomizedNonceKey::new(&AES_256_GCM, key.as_ref())
        });
        let keys = keys.collect::<Result<_, _>>();
        keys.map(Self).map_err(|_unspecified| SecretError::Make)
    }

    /// Encrypts a secret for the store.
    pub fn seal(&self, id: SubscriptionId, secret: &SigningSecret) -> Result<String, SecretError> {
        let key = self.0.first().ok_or(SecretError::Make)?;
        let mut sealed = secret.0.to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(id.0.as_bytes()), &mut sealed)
            .map_err(|_unspecified| SecretError::Make)?;
        let mut stored = nonce.as_ref().to_vec();
        stored.append(&mut sealed);
        Ok(STANDARD.encode(stored))
    }

    fn open(&self, id: SubscriptionId, sealed: &str) -> Result<SigningSecret, SecretError> {
        let stored = STANDARD.decode(sealed).unwrap_or_default();
        let (nonce, sealed) = stored.split_at_checked(NONCE).ok_or(SecretError::Open)?;
        for key in &self.0 {
            let mut sealed = sealed.to_vec();
            let nonce = Nonce::try_assume_unique_for_key(nonce)
                .map_err(|_unspecified| SecretError::Open)?;
            let opened = key.open_in_place(nonce, Aad::from(id.0.as_bytes()), &mut sealed);
            if let Some(bytes) = opened
                .ok()
                .and_then(|bytes| <[u8; LENGTH]>::try_from(&*bytes).ok())
            {
                return Ok(SigningSecret(bytes));
            }
        }
        Err(SecretError::Open)
    }

    /// The secrets that sign now, newest first.
    pub fn signing(
        &self,
        id: SubscriptionId,
        secrets: &[SealedSecret],
        now: Timestamp,
    ) -> Result<Vec<SigningSecret>, SecretError> {
        let living = secrets
            .iter()
            .filter(|secret| secret.until.is_none_or(|until| now < until));
        living.map(|secret| self.open(id, &secret.sealed)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of the specification.
    #[test]
    fn a_signature_is_what_the_specification_says() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let signed = sign(
            &secret,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            at,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_read_under_its_keys_and_for_its_subscription_only() {
        let key = |text: &str| Secret::from(text.repeat(32));
        let (id, other) = (SubscriptionId::generate(), SubscriptionId::generate());
        let secret = SigningSecret::generate().unwrap();
        assert!(secret.text().starts_with("whsec_") && secret.text().len() == 50);
        let keys = SecretKeys::new(&key("a"), None).unwrap();
        let sealed = keys.seal(id, &secret).unwrap();
        assert_ne!(
            sealed,
            keys.seal(id, &secret).unwrap(),
            "no two look the same"
        );
        assert_eq!(keys.open(id, &sealed).unwrap().0, secret.0);
        assert_eq!(keys.open(other, &sealed).unwrap_err(), SecretError::Open);
        let rotated = SecretKeys::new(&key("b"), Some(&key("a"))).unwrap();
        assert_eq!(rotated.open(id, &sealed).unwrap().0, secret.0);
        let foreign = SecretKeys::new(&key("c"), None).unwrap();
        assert_eq!(foreign.open(id, &sealed).unwrap_err(), SecretError::Open);
        assert_eq!(keys.open(id, "").unwrap_err(), SecretError::Open);
        assert!(!format!("{secret:?}{keys:?}").contains(secret.text().trim_start_matches(PREFIX)));
    }

    #[test]
    fn an_ended_secret_signs_no_more() {
        let keys = SecretKeys::new(&Secret::from("k".repeat(32)), None).unwrap();
        let id = SubscriptionId::generate();
        let (old, new) = (
            SigningSecret::generate().unwrap(),
            SigningSecret::generate().unwrap(),
        );
        let at: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        let sealed = |secret, until| SealedSecret {
            sealed: keys.seal(id, secret).unwrap(),
            until,
        };
        let stored = [sealed(&new, None), sealed(&old, Some(at))];
        let before = at.checked_sub(jiff::SignedDuration::from_secs(1)).unwrap();
        let both = keys.signing(id, &stored, before).unwrap();
        assert_eq!(signatures(&both, "e", before, b"{}").split(' ').count(), 2);
        let one = keys.signing(id, &stored, at).unwrap();
        assert_eq!(
            signatures(&one, "e", at, b"{}"),
            sign(&new.0, "e", at, b"{}")
        );
    }
}
