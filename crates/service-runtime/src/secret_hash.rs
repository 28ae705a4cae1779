//! Partner credentials at rest: PBKDF2-HMAC-SHA256, compared in constant time. Text form:
//! `pbkdf2-sha256$<iterations>$<salt>$<hash>`.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const SCHEME: &str = "pbkdf2-sha256";
const ITERATIONS: NonZeroU32 = NonZeroU32::new(50_000).unwrap();
const MAX_ITERATIONS: u32 = 1_000_000;
const MAX_SECRET: usize = 1024;
const SALT: usize = 16;
const HASH: usize = 32;

/// The system gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes; nothing can be hashed safely")]
pub struct NoRandomness;

/// What is stored in place of a secret.
pub fn hash_secret(secret: &str) -> Result<String, NoRandomness> {
    let mut salt = [0_u8; SALT];
    SystemRandom::new()
        .fill(&mut salt)
        .ok()
        .ok_or(NoRandomness)?;
    let mut hash = [0_u8; HASH];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        ITERATIONS,
        &salt,
        secret.as_bytes(),
        &mut hash,
    );
    Ok(format!(
        "{SCHEME}${ITERATIONS}${}${}",
        URL_SAFE_NO_PAD.encode(salt),
        URL_SAFE_NO_PAD.encode(hash)
    ))
}

/// Whether the presented secret is the stored one.
///
/// An absent or unreadable entry costs as much as a
/// wrong secret, so that time does not tell which partners exist. It takes some milliseconds of CPU:
/// call it from a blocking task where many callers present secrets at once.
pub fn verify_secret(presented: &str, stored: Option<&str>) -> bool {
    let presented = if presented.len() <= MAX_SECRET {
        presented
    } else {
        ""
    };
    let Some((iterations, salt, hash)) = stored.and_then(parse) else {
        let mut unused = [0_u8; HASH];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            ITERATIONS,
            &[0; SALT],
            presented.as_bytes(),
            &mut unused,
        );
        return false;
    };
    pbkdf2::verify(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        &salt,
        presented.as_bytes(),
        &hash,
    )
    .is_ok()
}

/// Whether a text has the stored form; for checking configuration.
pub fn is_hash(text: &str) -> bool {
    parse(text).is_some()
}

fn parse(text: &str) -> Option<(NonZeroU32, Vec<u8>, Vec<u8>)> {
    let mut parts = text.split('$');
    let scheme = parts.next()?;
    let iterations = parts.next()?.parse::<NonZeroU32>().ok()?;
    let salt = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
    let hash = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
    let whole = parts.next().is_none() && salt.len() >= SALT && hash.len() == HASH;
    (scheme == SCHEME && whole && iterations.get() <= MAX_ITERATIONS)
        .then_some((iterations, salt, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_itself_is_accepted() {
        let stored = hash_secret("correct horse").unwrap();
        assert!(verify_secret("correct horse", Some(&stored)));
        assert!(!verify_secret("correct hors", Some(&stored)));
        assert!(!verify_secret("", Some(&stored)));
        assert!(!verify_secret("correct horse", None));
        assert!(!verify_secret("correct horse", Some("correct horse")));
    }

    #[test]
    fn two_hashes_of_one_secret_differ_and_hide_it() {
        let (first, second) = (
            hash_secret("s3cret").unwrap(),
            hash_secret("s3cret").unwrap(),
        );
        assert_ne!(first, second);
        assert!(is_hash(&first) && !first.contains("s3cret"));
    }

    #[test]
    fn a_stored_form_that_would_burn_cpu_is_refused() {
        let stored = hash_secret("x").unwrap().replace("50000", "4000000000");
        assert!(!is_hash(&stored));
        assert!(!is_hash("pbkdf2-sha256$1$AA$AA"));
    }
}
